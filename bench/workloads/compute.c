/* Arithmetic: short dependent integer operations with branches, and long numbers. */
#include "bench/workloads/workload.h"

static uint64_t collatz_steps(uint64_t n)
{
    uint64_t steps = 0;
    for (; n != 1; steps++)
        n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

static uint64_t run_integer(uint64_t numbers)
{
    uint64_t sum = 0;
    for (uint64_t n = 1; n <= numbers; n++)
        sum = sum * 31 + collatz_steps(n) % 7;
    return sum;
}

const struct workload integer = {"integer", "numbers", 500000, run_integer};

/* Montgomery multiplication of 2048-bit numbers: what a signature check does. */
enum { WORDS = 32 };
typedef unsigned __int128 wide;

static uint64_t add_product(uint64_t *sum, const uint64_t *number, uint64_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < WORDS; i++) {
        wide t = (wide)number[i] * factor + sum[i] + carry;
        sum[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    return carry;
}

static void add_at(uint64_t *word, uint64_t value)
{
    while (value) {
        *word += value;
        value = *word++ < value;
    }
}

static uint64_t inverse(uint64_t odd) /* -1 / odd modulo 2^64, by Newton */
{
    uint64_t x = odd;
    for (int i = 0; i < 6; i++)
        x *= 2 - odd * x;
    return -x;
}

/* result = a * b / 2^2048 modulo m, below 2 * m; result may be a or b. */
static void multiply(uint64_t *result, const uint64_t *a, const uint64_t *b, const uint64_t *m,
                     uint64_t m_inverse)
{
    uint64_t sum[2 * WORDS + 2] = {0};
    for (int i = 0; i < WORDS; i++)
        add_at(sum + i + WORDS, add_product(sum + i, a, b[i]));
    for (int i = 0; i < WORDS; i++)
        add_at(sum + i + WORDS, add_product(sum + i, m, sum[i] * m_inverse));
    for (int i = 0; i < WORDS; i++)
        result[i] = sum[i + WORDS];
}

static uint64_t run_bignum(uint64_t squarings)
{
    uint64_t m[WORDS], x[WORDS], seed = 88172645463325252ull, sum = 0;
    for (int i = 0; i < WORDS; i++) {
        m[i] = next_random(&seed);
        x[i] = next_random(&seed);
    }
    m[0] |= 1;
    m[WORDS - 1] >>= 2; /* so that results below 2 * m need no last subtraction */
    x[WORDS - 1] >>= 3;
    uint64_t m_inverse = inverse(m[0]);
    for (uint64_t n = 0; n < squarings; n++)
        multiply(x, x, x, m, m_inverse);
    for (int i = 0; i < WORDS; i++)
        sum = sum * 31 + x[i];
    return sum;
}

const struct workload bignum = {"bignum", "squarings", 40000, run_bignum};
