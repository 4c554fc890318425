/* The metadata of a CTF trace (TSDL, CTF 1.8 appendix C), made from the classes. Field names get
 * an underscore in front, as LTTng writes them: readers take it away, and no name can be a
 * keyword. */
#include "trace/export/ctf.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

void ctf_uuid(const struct manifest *manifest, u8 uuid[16])
{
    static char text[MANIFEST_MAX];
    size_t length = manifest_format(manifest, text, sizeof(text));
    for (u64 half = 0; half < 2; half++) {
        u64 hash = XXH64(text, length, half);
        memcpy(uuid + 8 * half, &hash, sizeof(hash));
    }
    uuid[6] = 0x80 | (uuid[6] & 0x0f); /* RFC 9562: version 8, made our own way */
    uuid[8] = 0x80 | (uuid[8] & 0x3f);
}

/* A TSDL string: what could end it or is not plain text becomes a dot. */
static void put_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++)
        fputc(isprint((u8)*text) && *text != '"' && *text != '\\' ? *text : '.', out);
    fputc('"', out);
}

static void put_trace(FILE *out, const struct manifest *manifest)
{
    u8 id[16];
    ctf_uuid(manifest, id);
    fputs("/* CTF 1.8 */\n\n", out);
    for (int bits = 8; bits <= 64; bits *= 2)
        fprintf(out, "typealias integer { size = %d; align = 8; signed = false; } := uint%d_t;\n",
                bits, bits);
    fputs("\ntrace {\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"", out);
    for (int i = 0; i < 16; i++)
        fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    fputs("\";\n\tbyte_order = le;\n\tpacket.header := struct {\n\t\tuint32_t magic;\n"
          "\t\tuint8_t uuid[16];\n\t\tuint32_t stream_id;\n\t};\n};\n\n",
          out);
}

static void put_environment(FILE *out, const struct manifest *manifest)
{
    const struct {
        const char *name, *value;
    } facts[] = {
        {"domain", "kernel"},
        {"sysname", "Linux"},
        {"tracer_name", "hindvisor"},
        {"hindvisor_version", HINDVISOR_VERSION},
        {"processor", manifest->processor},
        {"host_cpu", manifest->host_cpu},
        {"kernel_image", manifest->kernel.name},
        {"command_line", manifest->command_line},
    };
    fputs("env {\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        fprintf(out, "\t%s = ", facts[i].name);
        put_string(out, facts[i].value);
        fputs(";\n", out);
    }
    fprintf(out, "\thost_tsc_hz = %" PRIu64 ";\n};\n\n", manifest->tsc_hz);
}

/* Guest time 0 is when the guest's RTC showed the epoch. */
static void put_clock(FILE *out, const struct manifest *manifest)
{
    fprintf(out,
            "clock {\n\tname = guest;\n\tdescription = \"guest time\";\n\tfreq = 1000000000;\n"
            "\toffset_s = %" PRIu64 ";\n};\n\n"
            "typealias integer {\n\tsize = 64; align = 8; signed = false;\n"
            "\tmap = clock.guest.value;\n} := guest_ns_t;\n\n",
            (u64)(manifest->epoch < 1ull << 33 ? manifest->epoch : 0));
}

/* struct ctf_packet and struct ctf_event. */
static void put_stream(FILE *out)
{
    fputs("stream {\n\tid = 0;\n\tpacket.context := struct {\n\t\tguest_ns_t timestamp_begin;\n"
          "\t\tguest_ns_t timestamp_end;\n\t\tuint64_t content_size;\n\t\tuint64_t packet_size;\n"
          "\t\tuint64_t packet_seq_num;\n\t\tuint64_t events_discarded;\n\t\tuint32_t cpu_id;\n"
          "\t};\n\tevent.header := struct {\n\t\tuint16_t id;\n\t\tguest_ns_t timestamp;\n\t};\n"
          "\tevent.context := struct {\n\t\tuint64_t _exit;\n\t};\n};\n",
          out);
}

static void put_words(FILE *out, const struct export_field *field)
{
    const char *separator = "";
    fprintf(out, "\t\tenum : uint%u_t {", field->width * 8);
    for (u64 value = 0; value < EXPORT_WORDS; value++) {
        const char *word = export_fixed_word(field, value);
        if (!word)
            continue;
        fprintf(out, "%s \"%s\" = %" PRIu64, separator, word, value);
        separator = ",";
    }
    fprintf(out, " } _%s;\n", field->kernel);
}

static bool has_fixed_words(const struct export_field *field)
{
    for (u64 value = 0; value < EXPORT_WORDS; value++) {
        if (export_has_words(field) && export_fixed_word(field, value))
            return true;
    }
    return false;
}

static void put_field(FILE *out, const struct export_field *field)
{
    if (!field->width)
        fprintf(out,
                "\t\tinteger { size = 8; align = 8; signed = false; encoding = UTF8; } _%s[%zu];\n",
                field->kernel, sizeof(guest_text));
    else if (has_fixed_words(field))
        put_words(out, field);
    else
        fprintf(out, "\t\tinteger { size = %u; align = 8; signed = %s; base = %s; } _%s;\n",
                field->width * 8, field->is_signed ? "true" : "false",
                field->render == RENDER_DEC ? "decimal" : "hexadecimal", field->kernel);
}

static void put_class(FILE *out, const struct export_class *class)
{
    fprintf(out,
            "\nevent {\n\tname = \"%s\";\n\tid = %u;\n\tstream_id = 0;\n\tfields := struct {\n",
            class->lttng, class->id);
    for (u32 i = 0; i < class->field_count; i++)
        put_field(out, &class->fields[i]);
    fputs("\t};\n};\n", out);
}

bool ctf_write_metadata(struct export *x)
{
    FILE *out = export_open(x, "metadata");
    if (!out)
        return false;
    put_trace(out, x->manifest);
    put_environment(out, x->manifest);
    put_clock(out, x->manifest);
    put_stream(out);
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        if (export_has_class(x, id))
            put_class(out, export_class(id));
    }
    return export_close(x, out, "metadata");
}
