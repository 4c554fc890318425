/*
 * The VMCS, once (SDM vol. 3C appendix B). Name, encoding, width, kind, and what
 * the processor must have for the field to exist. Enum, names, dump, self-test and
 * the state hash come from this table; its encodings are checked against the
 * rule of SDM 25.11.2 when it is compiled.
 */
#ifndef VMX_FIELDS_H
#define VMX_FIELDS_H

#include "core/types.h"

enum { W16 = 0, W64 = 1, W32 = 2, WNAT = 3 };              /* bits 14:13 of an encoding */
enum { CTRL = 0, INFO = 1, GUEST = 2, HOST = 3 };          /* bits 11:10 */

/* What a field depends on. A field whose need is not met is absent: it is never
 * touched, and the self-test says so. */
enum field_need { ALWAYS, NEEDS_VPID, NEEDS_EPT, NEEDS_PREEMPTION_TIMER, NEEDS_TPR_SHADOW,
                  NEEDS_MSR_BITMAPS, NEEDS_IO_BITMAPS, NEEDS_SECONDARY, NEEDS_PAT, NEEDS_EFER,
                  NEEDS_PML, NEEDS_OTHER /* features that Hindvisor never uses */ };

#define VMCS_FIELDS(F)                                                                             \
    F(VPID, 0x0000, W16, CTRL, NEEDS_VPID)                                                         \
    F(POSTED_VECTOR, 0x0002, W16, CTRL, NEEDS_OTHER)                                               \
    F(EPTP_INDEX, 0x0004, W16, CTRL, NEEDS_OTHER)                                                  \
    F(GUEST_ES, 0x0800, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_CS, 0x0802, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_SS, 0x0804, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_DS, 0x0806, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_FS, 0x0808, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_GS, 0x080a, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_LDTR, 0x080c, W16, GUEST, ALWAYS)                                                      \
    F(GUEST_TR, 0x080e, W16, GUEST, ALWAYS)                                                        \
    F(GUEST_INTERRUPT_STATUS, 0x0810, W16, GUEST, NEEDS_OTHER)                                     \
    F(PML_INDEX, 0x0812, W16, GUEST, NEEDS_PML)                                                    \
    F(HOST_ES, 0x0c00, W16, HOST, ALWAYS)                                                          \
    F(HOST_CS, 0x0c02, W16, HOST, ALWAYS)                                                          \
    F(HOST_SS, 0x0c04, W16, HOST, ALWAYS)                                                          \
    F(HOST_DS, 0x0c06, W16, HOST, ALWAYS)                                                          \
    F(HOST_FS, 0x0c08, W16, HOST, ALWAYS)                                                          \
    F(HOST_GS, 0x0c0a, W16, HOST, ALWAYS)                                                          \
    F(HOST_TR, 0x0c0c, W16, HOST, ALWAYS)                                                          \
    F(IO_BITMAP_A, 0x2000, W64, CTRL, NEEDS_IO_BITMAPS)                                            \
    F(IO_BITMAP_B, 0x2002, W64, CTRL, NEEDS_IO_BITMAPS)                                            \
    F(MSR_BITMAP, 0x2004, W64, CTRL, NEEDS_MSR_BITMAPS)                                            \
    F(EXIT_MSR_STORE, 0x2006, W64, CTRL, ALWAYS)                                                   \
    F(EXIT_MSR_LOAD, 0x2008, W64, CTRL, ALWAYS)                                                    \
    F(ENTRY_MSR_LOAD, 0x200a, W64, CTRL, ALWAYS)                                                   \
    F(EXECUTIVE_VMCS, 0x200c, W64, CTRL, ALWAYS)                                                   \
    F(PML_ADDRESS, 0x200e, W64, CTRL, NEEDS_PML)                                                   \
    F(TSC_OFFSET, 0x2010, W64, CTRL, ALWAYS)                                                       \
    F(VIRTUAL_APIC, 0x2012, W64, CTRL, NEEDS_TPR_SHADOW)                                           \
    F(APIC_ACCESS, 0x2014, W64, CTRL, NEEDS_SECONDARY)                                             \
    F(POSTED_DESCRIPTOR, 0x2016, W64, CTRL, NEEDS_OTHER)                                           \
    F(VM_FUNCTIONS, 0x2018, W64, CTRL, NEEDS_OTHER)                                                \
    F(EPT_POINTER, 0x201a, W64, CTRL, NEEDS_EPT)                                                   \
    F(EOI_EXIT_0, 0x201c, W64, CTRL, NEEDS_OTHER)                                                  \
    F(EOI_EXIT_1, 0x201e, W64, CTRL, NEEDS_OTHER)                                                  \
    F(EOI_EXIT_2, 0x2020, W64, CTRL, NEEDS_OTHER)                                                  \
    F(EOI_EXIT_3, 0x2022, W64, CTRL, NEEDS_OTHER)                                                  \
    F(EPTP_LIST, 0x2024, W64, CTRL, NEEDS_OTHER)                                                   \
    F(VMREAD_BITMAP, 0x2026, W64, CTRL, NEEDS_OTHER)                                               \
    F(VMWRITE_BITMAP, 0x2028, W64, CTRL, NEEDS_OTHER)                                              \
    F(VE_INFORMATION, 0x202a, W64, CTRL, NEEDS_OTHER)                                              \
    F(XSS_EXITING, 0x202c, W64, CTRL, NEEDS_OTHER)                                                 \
    F(TSC_MULTIPLIER, 0x2032, W64, CTRL, NEEDS_OTHER)                                              \
    F(GUEST_PHYSICAL, 0x2400, W64, INFO, NEEDS_EPT)                                                \
    F(GUEST_LINK, 0x2800, W64, GUEST, ALWAYS)                                                      \
    F(GUEST_DEBUGCTL, 0x2802, W64, GUEST, ALWAYS)                                                  \
    F(GUEST_PAT, 0x2804, W64, GUEST, NEEDS_PAT)                                                    \
    F(GUEST_EFER, 0x2806, W64, GUEST, NEEDS_EFER)                                                  \
    F(GUEST_PERF_GLOBAL, 0x2808, W64, GUEST, NEEDS_OTHER)                                          \
    F(GUEST_PDPTE0, 0x280a, W64, GUEST, NEEDS_EPT)                                                 \
    F(GUEST_PDPTE1, 0x280c, W64, GUEST, NEEDS_EPT)                                                 \
    F(GUEST_PDPTE2, 0x280e, W64, GUEST, NEEDS_EPT)                                                 \
    F(GUEST_PDPTE3, 0x2810, W64, GUEST, NEEDS_EPT)                                                 \
    F(HOST_PAT, 0x2c00, W64, HOST, NEEDS_PAT)                                                      \
    F(HOST_EFER, 0x2c02, W64, HOST, NEEDS_EFER)                                                    \
    F(HOST_PERF_GLOBAL, 0x2c04, W64, HOST, NEEDS_OTHER)                                            \
    F(PIN_CONTROLS, 0x4000, W32, CTRL, ALWAYS)                                                     \
    F(PROCESSOR_CONTROLS, 0x4002, W32, CTRL, ALWAYS)                                               \
    F(EXCEPTION_BITMAP, 0x4004, W32, CTRL, ALWAYS)                                                 \
    F(PAGE_FAULT_MASK, 0x4006, W32, CTRL, ALWAYS)                                                  \
    F(PAGE_FAULT_MATCH, 0x4008, W32, CTRL, ALWAYS)                                                 \
    F(CR3_TARGETS, 0x400a, W32, CTRL, ALWAYS)                                                      \
    F(EXIT_CONTROLS, 0x400c, W32, CTRL, ALWAYS)                                                    \
    F(EXIT_MSR_STORES, 0x400e, W32, CTRL, ALWAYS)                                                  \
    F(EXIT_MSR_LOADS, 0x4010, W32, CTRL, ALWAYS)                                                   \
    F(ENTRY_CONTROLS, 0x4012, W32, CTRL, ALWAYS)                                                   \
    F(ENTRY_MSR_LOADS, 0x4014, W32, CTRL, ALWAYS)                                                  \
    F(ENTRY_EVENT, 0x4016, W32, CTRL, ALWAYS)                                                      \
    F(ENTRY_EVENT_ERROR, 0x4018, W32, CTRL, ALWAYS)                                                \
    F(ENTRY_EVENT_LENGTH, 0x401a, W32, CTRL, ALWAYS)                                               \
    F(TPR_THRESHOLD, 0x401c, W32, CTRL, NEEDS_TPR_SHADOW)                                          \
    F(SECONDARY_CONTROLS, 0x401e, W32, CTRL, NEEDS_SECONDARY)                                      \
    F(PLE_GAP, 0x4020, W32, CTRL, NEEDS_OTHER)                                                     \
    F(PLE_WINDOW, 0x4022, W32, CTRL, NEEDS_OTHER)                                                  \
    F(INSTRUCTION_ERROR, 0x4400, W32, INFO, ALWAYS)                                                \
    F(EXIT_REASON, 0x4402, W32, INFO, ALWAYS)                                                      \
    F(EXIT_EVENT, 0x4404, W32, INFO, ALWAYS)                                                       \
    F(EXIT_EVENT_ERROR, 0x4406, W32, INFO, ALWAYS)                                                 \
    F(VECTORING_EVENT, 0x4408, W32, INFO, ALWAYS)                                                  \
    F(VECTORING_ERROR, 0x440a, W32, INFO, ALWAYS)                                                  \
    F(INSTRUCTION_LENGTH, 0x440c, W32, INFO, ALWAYS)                                               \
    F(INSTRUCTION_INFO, 0x440e, W32, INFO, ALWAYS)                                                 \
    F(GUEST_ES_LIMIT, 0x4800, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_CS_LIMIT, 0x4802, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_SS_LIMIT, 0x4804, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_DS_LIMIT, 0x4806, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_FS_LIMIT, 0x4808, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_GS_LIMIT, 0x480a, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_LDTR_LIMIT, 0x480c, W32, GUEST, ALWAYS)                                                \
    F(GUEST_TR_LIMIT, 0x480e, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_GDTR_LIMIT, 0x4810, W32, GUEST, ALWAYS)                                                \
    F(GUEST_IDTR_LIMIT, 0x4812, W32, GUEST, ALWAYS)                                                \
    F(GUEST_ES_ACCESS, 0x4814, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_CS_ACCESS, 0x4816, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_SS_ACCESS, 0x4818, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_DS_ACCESS, 0x481a, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_FS_ACCESS, 0x481c, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_GS_ACCESS, 0x481e, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_LDTR_ACCESS, 0x4820, W32, GUEST, ALWAYS)                                               \
    F(GUEST_TR_ACCESS, 0x4822, W32, GUEST, ALWAYS)                                                 \
    F(GUEST_INTERRUPTIBILITY, 0x4824, W32, GUEST, ALWAYS)                                          \
    F(GUEST_ACTIVITY, 0x4826, W32, GUEST, ALWAYS)                                                  \
    F(GUEST_SMBASE, 0x4828, W32, GUEST, ALWAYS)                                                    \
    F(GUEST_SYSENTER_CS, 0x482a, W32, GUEST, ALWAYS)                                               \
    F(PREEMPTION_TIMER, 0x482e, W32, GUEST, NEEDS_PREEMPTION_TIMER)                                \
    F(HOST_SYSENTER_CS, 0x4c00, W32, HOST, ALWAYS)                                                 \
    F(CR0_MASK, 0x6000, WNAT, CTRL, ALWAYS)                                                        \
    F(CR4_MASK, 0x6002, WNAT, CTRL, ALWAYS)                                                        \
    F(CR0_SHADOW, 0x6004, WNAT, CTRL, ALWAYS)                                                      \
    F(CR4_SHADOW, 0x6006, WNAT, CTRL, ALWAYS)                                                      \
    F(CR3_TARGET_0, 0x6008, WNAT, CTRL, ALWAYS)                                                    \
    F(CR3_TARGET_1, 0x600a, WNAT, CTRL, ALWAYS)                                                    \
    F(CR3_TARGET_2, 0x600c, WNAT, CTRL, ALWAYS)                                                    \
    F(CR3_TARGET_3, 0x600e, WNAT, CTRL, ALWAYS)                                                    \
    F(EXIT_QUALIFICATION, 0x6400, WNAT, INFO, ALWAYS)                                              \
    F(IO_RCX, 0x6402, WNAT, INFO, NEEDS_OTHER)                                                     \
    F(IO_RSI, 0x6404, WNAT, INFO, NEEDS_OTHER)                                                     \
    F(IO_RDI, 0x6406, WNAT, INFO, NEEDS_OTHER)                                                     \
    F(IO_RIP, 0x6408, WNAT, INFO, NEEDS_OTHER)                                                     \
    F(GUEST_LINEAR, 0x640a, WNAT, INFO, ALWAYS)                                                    \
    F(GUEST_CR0, 0x6800, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_CR3, 0x6802, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_CR4, 0x6804, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_ES_BASE, 0x6806, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_CS_BASE, 0x6808, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_SS_BASE, 0x680a, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_DS_BASE, 0x680c, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_FS_BASE, 0x680e, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_GS_BASE, 0x6810, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_LDTR_BASE, 0x6812, WNAT, GUEST, ALWAYS)                                                \
    F(GUEST_TR_BASE, 0x6814, WNAT, GUEST, ALWAYS)                                                  \
    F(GUEST_GDTR_BASE, 0x6816, WNAT, GUEST, ALWAYS)                                                \
    F(GUEST_IDTR_BASE, 0x6818, WNAT, GUEST, ALWAYS)                                                \
    F(GUEST_DR7, 0x681a, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_RSP, 0x681c, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_RIP, 0x681e, WNAT, GUEST, ALWAYS)                                                      \
    F(GUEST_RFLAGS, 0x6820, WNAT, GUEST, ALWAYS)                                                   \
    F(GUEST_PENDING_DEBUG, 0x6822, WNAT, GUEST, ALWAYS)                                            \
    F(GUEST_SYSENTER_ESP, 0x6824, WNAT, GUEST, ALWAYS)                                             \
    F(GUEST_SYSENTER_EIP, 0x6826, WNAT, GUEST, ALWAYS)                                             \
    F(HOST_CR0, 0x6c00, WNAT, HOST, ALWAYS)                                                        \
    F(HOST_CR3, 0x6c02, WNAT, HOST, ALWAYS)                                                        \
    F(HOST_CR4, 0x6c04, WNAT, HOST, ALWAYS)                                                        \
    F(HOST_FS_BASE, 0x6c06, WNAT, HOST, ALWAYS)                                                    \
    F(HOST_GS_BASE, 0x6c08, WNAT, HOST, ALWAYS)                                                    \
    F(HOST_TR_BASE, 0x6c0a, WNAT, HOST, ALWAYS)                                                    \
    F(HOST_GDTR_BASE, 0x6c0c, WNAT, HOST, ALWAYS)                                                  \
    F(HOST_IDTR_BASE, 0x6c0e, WNAT, HOST, ALWAYS)                                                  \
    F(HOST_SYSENTER_ESP, 0x6c10, WNAT, HOST, ALWAYS)                                               \
    F(HOST_SYSENTER_EIP, 0x6c12, WNAT, HOST, ALWAYS)                                               \
    F(HOST_RSP, 0x6c14, WNAT, HOST, ALWAYS)                                                        \
    F(HOST_RIP, 0x6c16, WNAT, HOST, ALWAYS)

#define F(name, encoding, width, kind, need) VMCS_##name = (encoding),
enum vmcs_field { VMCS_FIELDS(F) };
#undef F

#define F(name, encoding, width, kind, need)                                                       \
    _Static_assert(((encoding) >> 13 & 3) == (width) && ((encoding) >> 10 & 3) == (kind) &&        \
                       ((encoding)&0x9001) == 0,                                                   \
                   "VMCS encoding of " #name);
VMCS_FIELDS(F)
#undef F

struct vmcs_field_info {
    u32 encoding;
    u8 width, kind, need;
    const char *name;
};

extern const struct vmcs_field_info vmcs_fields[];
extern const u32 vmcs_field_count;

#endif
