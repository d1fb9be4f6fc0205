#pragma once
#include <stddef.h>

/// Adds up floats as fast as this core reads them: 8 independent vector sums. `count` is a multiple of 128.
float stream_sum(const float *floats, size_t count);

/// Memory for floats, aligned and in large pages where the system has them; zeros. `stream_free` gives it back.
float *stream_memory(size_t count);

/// Copies floats with the C library's memory copy.
void stream_copy(float *to, const float *from, size_t count);

/// Gives memory of `stream_memory` back.
void stream_free(float *floats, size_t count);
