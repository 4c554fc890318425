/* Escaping; see html.h. */
#include "analysis/report/html.h"

#include <stdarg.h>
#include <string.h>

/* --- UTF-8 ------------------------------------------------------------------------------------ */

/* One character at `s` (NUL-terminated text): its bytes, 0 if they are no UTF-8 (Unicode, table
 * 3-7: no overlong forms, no surrogates). */
static u32 utf8_take(const u8 *s, u32 *character)
{
    static const u32 least[] = {0, 0, 0x80, 0x800, 0x10000};
    u32 bytes = s[0] < 0x80       ? 1
                : s[0] >> 5 == 6  ? 2
                : s[0] >> 4 == 14 ? 3
                : s[0] >> 3 == 30 ? 4
                                  : 0;
    if (bytes <= 1) {
        *character = s[0];
        return bytes;
    }
    *character = s[0] & (0x7fu >> bytes);
    for (u32 i = 1; i < bytes; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        *character = *character << 6 | (s[i] & 0x3f);
    }
    bool good = *character >= least[bytes] && *character <= 0x10ffff && *character >> 11 != 0x1b;
    return good ? bytes : 0;
}

/* Controls, line ends that editors do not show, and what turns the direction of the text. */
static bool is_unseen(u32 c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x061c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c & 0xfffe) == 0xfffe;
}

/* The character at *at, or U+FFFD in its place, and on to the next. */
static void put_next(FILE *out, const u8 **at, bool seen_only)
{
    u32 character, bytes = utf8_take(*at, &character);
    if (!bytes || (seen_only && is_unseen(character)))
        fputs("\xef\xbf\xbd", out);
    else
        fwrite(*at, 1, bytes, out);
    *at += bytes ? bytes : 1;
}

/* --- HTML ------------------------------------------------------------------------------------- */

void html_text(FILE *out, const char *text)
{
    static const char *const escapes[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    for (const u8 *at = (const u8 *)text; *at;) {
        if (escapes[*at])
            fputs(escapes[*at++], out);
        else
            put_next(out, &at, true);
    }
}

void html_json(FILE *out, const char *json, size_t length)
{
    for (const u8 *at = (const u8 *)json, *end = at + length; at < end && *at;) {
        if (*at == '<') {
            fputs("\\u003c", out);
            at++;
        } else {
            put_next(out, &at, false);
        }
    }
}

size_t html_json_length(const char *json, size_t length)
{
    size_t more = 0;
    for (size_t i = 0; i < length; i++)
        more += json[i] == '<' ? 5 : (u8)json[i] >= 0x80 ? 2 : 0;
    return length + more;
}

void html_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const u8 *at = (const u8 *)text; *at;) {
        if (*at < 0x20 || *at == '"' || *at == '\\' || *at == '<')
            fprintf(out, "\\u%04x", *at++);
        else
            put_next(out, &at, true);
    }
    fputc('"', out);
}

void html(FILE *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
}

bool html_has_room(FILE *out, size_t bytes)
{
    off_t written = ftello(out);
    return written >= 0 && (size_t)written + bytes <= HTML_MAX - HTML_RESERVED;
}

/* --- the shell -------------------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-./:=@%,";
    return *text && strspn(text, plain) == strlen(text) && *text != '-';
}

/* bash's $'...' says any byte in ASCII: a copied command is what is seen. */
static size_t put_byte(char *to, u8 byte)
{
    if (byte == '\'' || byte == '\\')
        return (size_t)sprintf(to, "\\%c", byte);
    if (byte >= 0x20 && byte < 0x7f)
        return (size_t)sprintf(to, "%c", byte);
    return (size_t)sprintf(to, "\\x%02x", byte);
}

const char *shell_word(const char *text, char word[SHELL_WORD])
{
    size_t at = 0;
    if (is_plain(text)) {
        snprintf(word, SHELL_WORD, "%s", text);
        return word;
    }
    word[at++] = '$';
    word[at++] = '\'';
    if (*text == '-') /* no option */
        at += (size_t)sprintf(word + at, "./");
    for (; *text && at < SHELL_WORD - 8; text++)
        at += put_byte(word + at, (u8)*text);
    snprintf(word + at, SHELL_WORD - at, "'");
    return word;
}

/* --- numbers ---------------------------------------------------------------------------------- */

const char *grouped(u128 number, char text[GROUPED])
{
    static const char space[] = "\xe2\x80\xaf"; /* U+202F */
    char *at = text + GROUPED - 1;
    u32 digits = 0;
    *at = 0;
    do {
        if (digits && digits % 3 == 0)
            at = memcpy(at - 3, space, 3);
        *--at = (char)('0' + (u32)(number % 10));
        number /= 10;
        digits++;
    } while (number);
    return at;
}
