/* The format of events in VMCS fields: SDM tables 25-16 and 25-18. */
#ifndef VMX_EVENTS_H
#define VMX_EVENTS_H

enum {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_HARDWARE_EXCEPTION = 3,
    EVENT_SOFTWARE_INTERRUPT = 4,
    EVENT_PRIVILEGED_SOFTWARE = 5, /* INT1 */
    EVENT_SOFTWARE_EXCEPTION = 6,  /* INT3, INTO */
};

#define EVENT_VALID (1u << 31)
#define EVENT_HAS_ERROR (1u << 11)
#define EVENT_TYPE(info) ((info) >> 8 & 7)
#define EVENT_VECTOR(info) ((info)&0xff)
#define EVENT(type, vector) (EVENT_VALID | (u32)(type) << 8 | (vector))

enum {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_UD = 6,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
};

/* Guest interruptibility state, SDM table 25-3. */
enum {
    BLOCKED_BY_STI = 1 << 0,
    BLOCKED_BY_MOV_SS = 1 << 1,
    BLOCKED_BY_SMI = 1 << 2,
    BLOCKED_BY_NMI = 1 << 3,
};

#endif
