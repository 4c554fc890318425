/* Frames of trace/wire.h out of the byte stream that a carrier sends. No I/O: it can be fuzzed. */
#ifndef VMX_CARRIERS_FRAMES_H
#define VMX_CARRIERS_FRAMES_H

#include "trace/wire.h"

enum { FRAME_TEXT = 1024, CHATTER = 2048 };

struct frame_handler {
    void *context;
    void (*console)(void *context, const u8 *bytes, size_t length);
    /* `text` is NUL-terminated, without '\n', cut to FRAME_TEXT - 1 bytes. */
    void (*frame)(void *context, char letter, const char *text);
};

enum frame_state { FRAME_NONE, FRAME_MARKED, FRAME_GUEST_BYTE, FRAME_INSIDE };

struct frames {
    enum frame_state state;
    bool greeted; /* FRAME_HELLO was seen; before it no frame counts */
    bool over;    /* FRAME_BYE was seen; nothing after it counts */
    char letter;
    size_t length;
    char text[FRAME_TEXT];
    size_t chatter_length;
    char chatter[CHATTER]; /* what came last before HELLO */
};

void frames_feed(struct frames *, const u8 *bytes, size_t length, const struct frame_handler *);

#endif
