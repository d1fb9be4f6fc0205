#ifdef MINIORM_FAISS
#include "CFaiss.h"
#include <pthread.h>

// The Castagnoli polynomial, reflected, eight bytes at a time.
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
        table[0][byte] = value;
    }
    for (int slice = 1; slice < 8; slice++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t value = table[slice - 1][byte];
            table[slice][byte] = (value >> 8) ^ table[0][value & 0xFF];
        }
}

uint32_t cfaiss_crc32c(uint32_t checksum, const void *bytes, size_t count) {
    pthread_once(&once, fill);
    const uint8_t *next = bytes;
    uint32_t value = ~checksum;
    for (; count >= 8; count -= 8, next += 8)
        value = table[7][(next[0] ^ value) & 0xFF] ^ table[6][(next[1] ^ (value >> 8)) & 0xFF] ^
                table[5][(next[2] ^ (value >> 16)) & 0xFF] ^ table[4][next[3] ^ (value >> 24)] ^ table[3][next[4]] ^
                table[2][next[5]] ^ table[1][next[6]] ^ table[0][next[7]];
    for (; count > 0; count--) value = (value >> 8) ^ table[0][(*next++ ^ value) & 0xFF];
    return ~value;
}
#else
// C does not allow a file without a declaration.
typedef int cfaiss_without_trait;
#endif
