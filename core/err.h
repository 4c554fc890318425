/*
 * An error is a value: a code, the place, fixed words and two numbers. It is
 * formatted where it is printed, so it can be made in the exit path and in the
 * image. `what` says what failed, why, and what to try, in that order;
 * %a and %b inside it stand for the two numbers in decimal, %A and %B in hexadecimal.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/types.h"

enum status {
    OK,
    BAD_INPUT,    /* the user's or the guest's data is wrong */
    NO_SPACE,     /* memory, disk or a table is full */
    UNSUPPORTED,  /* this machine or this version cannot do it */
    GUEST_FAULT,  /* the guest did what no machine survives */
    DIVERGED,     /* a replay differs from its trace */
    HOST_IO,      /* a host file or device failed */
    INTERNAL,     /* our own bug */
};

struct err {
    enum status code;
    u32 line;
    const char *file;
    const char *what;
    u64 a, b;
};

#define ERR(code, what, a, b) ((struct err){code, __LINE__, __FILE__, what, (u64)(a), (u64)(b)})
#define NO_ERR ((struct err){0})
#define TRY(e)                                                                                     \
    do {                                                                                           \
        struct err e_ = (e);                                                                       \
        if (e_.code)                                                                               \
            return e_;                                                                             \
    } while (0)

#endif
