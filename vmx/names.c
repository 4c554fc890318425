/* Numbers to words: exit reasons and VM-instruction errors. */
#include "vmx/exits.h"

const char *exit_reason_name(u32 reason)
{
    static const char *const names[EXIT_REASON_LIMIT] = {
#define X(number, name, handler) [number] = #name,
        VMX_EXITS(X)
#undef X
    };
    return reason < EXIT_REASON_LIMIT && names[reason] ? names[reason] : "?";
}

const char *vm_instruction_error(u32 number)
{
    static const char *const texts[] = {
        [1] = "VMCALL executed in VMX root operation",
        [2] = "VMCLEAR with an invalid physical address",
        [3] = "VMCLEAR with the VMXON pointer",
        [4] = "VMLAUNCH with a VMCS that is not clear",
        [5] = "VMRESUME with a VMCS that is not launched",
        [6] = "VMRESUME after VMXOFF",
        [7] = "VM entry with invalid control fields",
        [8] = "VM entry with invalid host-state fields",
        [9] = "VMPTRLD with an invalid physical address",
        [10] = "VMPTRLD with the VMXON pointer",
        [11] = "VMPTRLD with an incorrect VMCS revision identifier",
        [12] = "VMREAD or VMWRITE of a field that this processor does not have",
        [13] = "VMWRITE to a read-only field",
        [15] = "VMXON executed in VMX root operation",
        [16] = "VM entry with an invalid executive-VMCS pointer",
        [17] = "VM entry with an executive VMCS that is not launched",
        [18] = "VM entry with an executive-VMCS pointer that is not the VMXON pointer",
        [19] = "VMCALL with a VMCS that is not clear",
        [20] = "VMCALL with invalid VM-exit control fields",
        [22] = "VMCALL with an incorrect MSEG revision identifier",
        [23] = "VMXOFF under dual-monitor treatment of SMIs",
        [24] = "VMCALL with invalid SMM-monitor features",
        [25] = "VM entry with invalid VM-execution control fields in the executive VMCS",
        [26] = "VM entry with events blocked by MOV SS",
        [28] = "invalid operand to INVEPT or INVVPID",
    };
    return number < ARRAY_SIZE(texts) && texts[number] ? texts[number] : "an error number that the SDM does not name";
}
