/* Exits as accesses to devices; see accesses.h. */
#include "analysis/io/accesses.h"
#include "core/msrs.h"
#include "vmx/exits.h"

void access_wish(struct column_wishes *wishes)
{
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, qualification) |
                                COLUMN(exit, address) | COLUMN(exit, value);
}

static bool port_access(u64 qualification, struct io_access *access)
{
    access->space = SPACE_PORT;
    access->address = qualification >> IO_PORT_SHIFT & 0xffff;
    access->way = qualification & IO_IN ? WAY_IN : WAY_OUT;
    access->size = (u32)(qualification & IO_SIZE) + 1;
    access->string = qualification & IO_STRING;
    return true;
}

static bool msr_access(u64 msr, enum way way, struct io_access *access)
{
    access->space = SPACE_MSR;
    access->address = msr;
    access->way = way;
    access->size = 8;
    return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

bool access_of(const struct exit_columns *exits, size_t i, struct io_access *access)
{
    *access = (struct io_access){.value = exits->value[i]};
    switch (exits->reason[i]) {
    case EXIT_IO_INSTRUCTION:
        return port_access(exits->qualification[i], access);
    case EXIT_EPT_VIOLATION:
        access->space = SPACE_MMIO;
        access->address = exits->address[i];
        access->way = way_of_ept(exits->qualification[i]);
        return true;
    case EXIT_MSR_READ:
        return msr_access(exits->address[i], WAY_IN, access);
    case EXIT_MSR_WRITE:
        return msr_access(exits->address[i], WAY_OUT, access);
    default:
        return false;
    }
}

bool access_of_exit(const struct exit_record *exit, struct io_access *access)
{
    u64 reason = exit->reason;
    const struct exit_columns row = {
        .rows = 1,
        .reason = &reason,
        .qualification = &exit->qualification,
        .address = &exit->address,
        .value = &exit->value,
    };
    return access_of(&row, 0, access);
}

void access_tell(const struct io_access *access, struct output *out)
{
    static const char *const ways[] = {"read", "write", "fetch"};
    output_name(out, device_at(access->space, access->address));
    output_name(out, register_at(access->space, access->address));
    output_text(out, space_names[access->space]);
    output_number(out, access->address);
    output_text(out, ways[access->way]);
    output_number_if(out, access->size != 0, access->size);
}
