/* What the two halves of the CTF exporter share: the layout that the metadata describes. */
#ifndef TRACE_EXPORT_CTF_H
#define TRACE_EXPORT_CTF_H

#include "trace/export/export.h"

#define CTF_MAGIC 0xc1fc1fc1u /* CTF 1.8, section 5.1 */

/* Packet header and packet context, as metadata.c declares them. No padding: all of CTF's
 * alignments are one byte. */
struct ctf_packet {
    u32 magic;
    u8 uuid[16];
    u32 stream_id;
    u64 timestamp_begin, timestamp_end; /* guest ns */
    u64 content_size, packet_size;      /* bits */
    u64 packet_seq_num, events_discarded;
    u32 cpu_id;
} __attribute__((packed));

/* Event header and event context. */
struct ctf_event {
    u16 id;
    u64 timestamp; /* guest ns */
    u64 exit;
} __attribute__((packed));

/* Names the trace: the same for the same trace. */
void ctf_uuid(const struct manifest *, u8 uuid[16]);
/* Writes the file `metadata`. false: x->failure says why. */
bool ctf_write_metadata(struct export *x);

#endif
