/* Exits as accesses to devices: by port, by MMIO, and to the local APIC's MSRs. */
#ifndef ANALYSIS_IO_ACCESSES_H
#define ANALYSIS_IO_ACCESSES_H

#include "analysis/exits/keys.h"
#include "analysis/io/devices.h"

struct io_access {
    enum space space;
    u64 address;
    enum way way;
    u32 size;    /* bytes; 0: the record does not tell (MMIO) */
    bool string; /* INS, OUTS: any number of accesses, and the value is a checksum over them */
    u64 value;
};

void access_wish(struct column_wishes *);
/* Exit row i; false: it is no access to a device. */
bool access_of(const struct exit_columns *, size_t i, struct io_access *);
bool access_of_exit(const struct exit_record *, struct io_access *);

/* The cells device, register, space, address, access and size. */
void access_tell(const struct io_access *, struct output *);

#endif
