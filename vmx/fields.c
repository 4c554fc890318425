/* The VMCS table as data: for dumps, the self-test and the state hash. */
#include "vmx/fields.h"

const struct vmcs_field_info vmcs_fields[] = {
#define F(name, encoding, width, kind, need) {encoding, width, kind, need, #name},
    VMCS_FIELDS(F)
#undef F
};

const u32 vmcs_field_count = sizeof(vmcs_fields) / sizeof(vmcs_fields[0]);
