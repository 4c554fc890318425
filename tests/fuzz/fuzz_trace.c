/*
 * Trace reader on arbitrary bytes. The first byte chooses: a manifest, or a
 * block whose hashes are made right so that what they protect is reached. A
 * block's header keeps its lengths within the input, as the reader ensures.
 */
#include "trace/block.h"
#include "trace/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void parse_manifest(const u8 *data, size_t size)
{
    static struct manifest manifest;
    static char text[MANIFEST_MAX + 64];
    if (size + 40 > MANIFEST_MAX)
        return;
    manifest_parse(&manifest, (const char *)data, size, "raw");
    memcpy(text, data, size);
    int line =
        sprintf(text + size, "checksum: xxh64:%016llx\n", (unsigned long long)XXH64(text, size, 0));
    manifest_parse(&manifest, text, size + (size_t)line, "sealed");
}

static void decode_block(const u8 *data, size_t size)
{
    static struct codec *codec;
    struct block_header header;
    const union record *records;
    size_t count;
    codec = codec ? codec : codec_new();
    if (!codec || size < sizeof(header))
        return;
    memcpy(&header, data, sizeof(header));
    u8 *payload = malloc(size - sizeof(header) + 1); /* exact, so that ASan sees every overrun */
    memcpy(payload, data + sizeof(header), size - sizeof(header));
    header.magic = BLOCK_MAGIC;
    header.version = BLOCK_VERSION;
    header.size = sizeof(header);
    header.stored = (u32)(size - sizeof(header));
    header.payload_hash = XXH64(payload, header.stored, 0);
    header.header_hash = XXH64(&header, offsetof(struct block_header, header_hash), 0);
    if (!block_header_check(&header) && !codec_decode(codec, &header, payload, &records, &count) &&
        count > header.records)
        abort();
    free(payload);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & 1)
        parse_manifest(data + 1, size - 1);
    else
        decode_block(data + 1, size - 1);
    return 0;
}
