/* The end of a run in words on a plain console. */
#ifndef VMX_IMAGE_OUTCOME_H
#define VMX_IMAGE_OUTCOME_H

#include "vmx/image/image.h"

void outcome_say(const struct mission *, const struct report *);

#endif
