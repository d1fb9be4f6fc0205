#pragma once
#include <stddef.h>

/// Adds up floats as fast as this core reads them: 8 independent vector sums. `count` is a multiple of 128.
float stream_sum(const float *floats, size_t count);

/// Memory for floats, aligned and in large pages where the system has them; zeros. Never freed.
float *stream_memory(size_t count);
