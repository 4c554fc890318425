/*
 * Console, verdicts and the end of a test guest. The console is COM1, polled.
 */
#include "tests/guests/lib/guest.h"
#include <stdarg.h>

enum {
    COM1 = 0x3f8,
    LINE_CONTROL = 3,
    EIGHT_BITS = 3,
    LINE_STATUS = 5,
    TRANSMITTER_EMPTY = 0x20,
    DEBUG_EXIT = 0xf4
};
enum { PM1_CONTROL = 0x604, S5 = 0x2000 | 5 << 10 };

static u32 passed, failed;

void console_on(void)
{
    outb(COM1 + LINE_CONTROL, EIGHT_BITS);
}

static void put(char c)
{
    while (!(inb(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    outb(COM1, (u8)c);
}

void print(const char *text)
{
    for (; *text; text++)
        put(*text);
}

static void print_number(u64 value, u32 base)
{
    char digits[24];
    u32 at = sizeof digits;
    digits[--at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    print(digits + at);
}

static void print_signed(i64 value)
{
    if (value < 0)
        put('-');
    print_number(value < 0 ? -(u64)value : (u64)value, 10);
}

static const char *print_argument(const char *f, va_list *list)
{
    bool wide = *f == 'l';
    f += wide;
    switch (*f) {
    case 's':
        print(va_arg(*list, const char *));
        break;
    case 'c':
        put((char)va_arg(*list, int));
        break;
    case 'd':
        print_signed(wide ? va_arg(*list, i64) : va_arg(*list, int));
        break;
    case 'u':
        print_number(wide ? va_arg(*list, u64) : va_arg(*list, u32), 10);
        break;
    case 'x':
        print_number(wide ? va_arg(*list, u64) : va_arg(*list, u32), 16);
        break;
    default:
        put(*f);
    }
    return f;
}

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (const char *f = format; *f; f++) {
        if (*f == '%')
            f = print_argument(f + 1, &list);
        else
            put(*f);
    }
    va_end(list);
}

void expect(bool held, const char *text)
{
    *(held ? &passed : &failed) += 1;
    say("%s %s\n", held ? "ok" : "FAIL", text);
}

void expect_equal(u64 got, u64 want, const char *text)
{
    *(got == want ? &passed : &failed) += 1;
    if (got == want)
        say("ok %s\n", text);
    else
        say("FAIL %s: 0x%lx, expected 0x%lx\n", text, got, want);
}

void note_skipped(const char *text, const char *why)
{
    say("skipped %s: %s\n", text, why);
}

/* Plain Bochs has no debug-exit port; this ends it. */
static void end_bochs(void)
{
    for (const char *c = "Shutdown"; *c; c++)
        outb(0x8900, (u8)*c);
}

void finish(void)
{
    say("%u passed, %u failed\n", passed, failed);
    outl(DEBUG_EXIT, failed);
    if (bare())
        end_bochs();
    for (;;)
        asm volatile("cli; hlt");
}

void power_off(void)
{
    outw(PM1_CONTROL, S5);
    for (;;)
        asm volatile("cli; hlt");
}

int try_rdmsr(u32 msr, u64 *value)
{
    u32 low = 0, high = 0;
    int vector = ATTEMPT("rdmsr", : "+a"(low), "+d"(high) : "c"(msr) : "memory");
    *value = (u64)high << 32 | low;
    return vector;
}

int try_wrmsr(u32 msr, u64 value)
{
    return ATTEMPT("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

void fpu_on(void)
{
    write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    asm volatile("fninit");
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return start;
}

void *memset(void *to, int byte, size_t n)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
    return start;
}
