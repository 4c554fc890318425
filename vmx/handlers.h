/* Exit handlers, one file a group; the table in exits.h says which reason takes which. */
#ifndef VMX_HANDLERS_H
#define VMX_HANDLERS_H

#include "core/paging.h"
#include "vmx/vcpu.h"

/* handle_cpu.c: instructions that exit for what they read or do to the CPU */
void on_cpuid(struct vcpu *);
void on_rdtsc(struct vcpu *);
void on_rdtscp(struct vcpu *);
void on_rdpmc(struct vcpu *);
void on_hlt(struct vcpu *);
void on_cache(struct vcpu *);     /* INVD, WBINVD */
void on_undefined(struct vcpu *); /* instructions that the CPU model does not have: #UD */

/* handle_event.c: exceptions, windows, stops */
void on_exception(struct vcpu *);
void on_triple_fault(struct vcpu *);
void on_window(struct vcpu *);
void on_stop(struct vcpu *);
void on_task_switch(struct vcpu *);
void on_unexpected(struct vcpu *);

/* handle_cr.c, handle_msr.c, handle_io.c, handle_memory.c */
void on_cr_access(struct vcpu *);
void on_msr_read(struct vcpu *);
void on_msr_write(struct vcpu *);
void on_io(struct vcpu *);
void on_ept_violation(struct vcpu *);
void on_ept_misconfig(struct vcpu *);

/* guest.c: the guest's memory as its instructions see it */
enum guest_copy { COPY_IN, COPY_OUT, PROBE_OUT /* rights only, nothing is copied */ };
enum guest_access { GUEST_OK, GUEST_FAULT_RAISED, GUEST_NOT_RAM };
struct paging vcpu_paging(const struct vcpu *);
u32 vcpu_cpl(void);
u32 vcpu_code_bits(void); /* 16, 32 or 64 */
bool vcpu_canonical(u64 linear); /* false: a 64-bit address that no paging maps, #GP or #SS */
/* Copies from (IN) or to (OUT) guest linear memory with the current privilege. Raises
 * the guest's #PF or #GP itself. At most PAGE_SIZE bytes. NOT_RAM: some page is device memory. */
enum guest_access guest_copy(struct vcpu *, u64 linear, void *buffer, u32 length, enum guest_copy);
/* The bytes of the instruction at RIP: as many of 15 as can be fetched without a fault. */
u32 guest_fetch(struct vcpu *, u8 bytes[15]);

#endif
