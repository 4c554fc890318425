/*
 * The four memory functions that a freestanding C compiler expects to exist
 * (C11 5.1.2.1, GCC "Standards"). Hosted builds take the C library's; the image
 * links vmx/image/mem.c.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "core/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
