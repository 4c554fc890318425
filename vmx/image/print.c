/*
 * Formatted text without a C library: %c %s %d %u %x %p %%, with l, a width, '0'
 * and '-'. Anything else in a format is printed as it stands. Output that does
 * not fit is cut; the text always ends in NUL.
 */
#include "vmx/image/image.h"

struct output {
    char *to;
    u32 size, length;
};

struct conversion {
    bool left, zero, is_long;
    u32 width;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->to[out->length++] = c;
}

static void put_padded(struct output *out, const struct conversion *how, const char *text,
                       u32 length)
{
    u32 padding = how->width > length ? how->width - length : 0;
    char fill = how->zero && !how->left ? '0' : ' ';

    for (u32 i = 0; i < padding && !how->left; i++)
        put(out, fill);
    for (u32 i = 0; i < length; i++)
        put(out, text[i]);
    for (u32 i = 0; i < padding && how->left; i++)
        put(out, ' ');
}

static void put_string(struct output *out, const struct conversion *how, const char *text)
{
    u32 length = 0;

    if (!text)
        text = "(null)";
    while (text[length])
        length++;
    put_padded(out, how, text, length);
}

static void put_number(struct output *out, const struct conversion *how, u64 value, u32 base)
{
    char digits[20];
    u32 first = sizeof(digits);

    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_padded(out, how, digits + first, sizeof(digits) - first);
}

static void put_signed(struct output *out, struct conversion *how, i64 value)
{
    u64 magnitude = value < 0 ? 0 - (u64)value : (u64)value;

    if (value < 0) {
        put(out, '-');
        how->width -= how->width ? 1 : 0;
    }
    put_number(out, how, magnitude, 10);
}

static const char *read_conversion(const char *format, struct conversion *how)
{
    *how = (struct conversion){0};
    for (; *format == '-' || *format == '0'; format++) {
        how->left |= *format == '-';
        how->zero |= *format == '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        how->width = how->width * 10 + (u32)(*format - '0');
    for (; *format == 'l'; format++)
        how->is_long = true;
    return format;
}

u32 print_list(char *to, u32 size, const char *format, __builtin_va_list list)
{
    struct output out = {to, size, 0};
    struct conversion how;

    while (*format) {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format = read_conversion(format + 1, &how);
        switch (*format) {
        case 'c':
            put(&out, (char)__builtin_va_arg(list, int));
            break;
        case 's':
            put_string(&out, &how, __builtin_va_arg(list, const char *));
            break;
        case 'd':
            put_signed(&out, &how,
                       how.is_long ? __builtin_va_arg(list, i64) : __builtin_va_arg(list, int));
            break;
        case 'u':
        case 'x':
            put_number(&out, &how,
                       how.is_long ? __builtin_va_arg(list, u64) : __builtin_va_arg(list, u32),
                       *format == 'x' ? 16 : 10);
            break;
        case 'p':
            put_number(&out, &how, (u64) __builtin_va_arg(list, void *), 16);
            break;
        case '\0':
            continue;
        default:
            put(&out, *format);
        }
        format++;
    }
    if (size)
        to[out.length] = '\0';
    return out.length;
}

u32 print_to(char *to, u32 size, const char *format, ...)
{
    __builtin_va_list list;
    u32 length;

    __builtin_va_start(list, format);
    length = print_list(to, size, format, list);
    __builtin_va_end(list);
    return length;
}

u32 print_error(char *to, u32 size, const struct err *error)
{
    struct output out = {to, size, 0};
    const struct conversion plain = {0};

    for (const char *c = error->what ? error->what : "no reason was given"; *c; c++) {
        if (c[0] == '%' && (c[1] == 'a' || c[1] == 'b' || c[1] == 'A' || c[1] == 'B')) {
            c++;
            put_number(&out, &plain, (*c | 0x20) == 'a' ? error->a : error->b, *c >= 'a' ? 10 : 16);
        } else {
            put(&out, *c);
        }
    }
    if (size)
        to[out.length] = '\0';
    return out.length;
}
