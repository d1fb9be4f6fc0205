// FAISS's headers include <omp.h>, which Swift's clang does not ship on Linux. Where the compiler has one of its own,
// that one is used; otherwise these are the few declarations that the headers and the shim need, with the layout of
// LLVM's libomp on Apple's systems and of libgomp elsewhere.
#pragma once
#if defined(__has_include_next)
#if __has_include_next(<omp.h>)
#define MINIORM_HAS_OMP_H 1
#include_next <omp.h>
#endif
#endif
#ifndef MINIORM_HAS_OMP_H
#ifdef __cplusplus
extern "C" {
#endif
#ifdef __APPLE__
typedef struct {
    void *opaque;
} omp_lock_t;
#else
typedef struct {
    unsigned char opaque[4] __attribute__((__aligned__(4)));
} omp_lock_t;
#endif
void omp_init_lock(omp_lock_t *);
void omp_destroy_lock(omp_lock_t *);
void omp_set_lock(omp_lock_t *);
void omp_unset_lock(omp_lock_t *);
int omp_test_lock(omp_lock_t *);
void omp_set_num_threads(int);
int omp_get_max_threads(void);
#ifdef __cplusplus
}
#endif
#endif
