/*
 * A byte stream becomes console bytes and frames (trace/wire.h). The carrier's own
 * chatter is on the same stream; what comes before HELLO is kept for error
 * messages, and none of it is shown as the guest's. Nothing here does I/O.
 */
#include "vmx/carriers/frames.h"

#include <string.h>

static void keep_chatter(struct frames *f, u8 byte)
{
    if (f->chatter_length == CHATTER - 1) { /* full: drop the older half */
        f->chatter_length = CHATTER / 2;
        memmove(f->chatter, f->chatter + CHATTER - 1 - f->chatter_length, f->chatter_length);
    }
    f->chatter[f->chatter_length++] = byte ? (char)byte : ' ';
    f->chatter[f->chatter_length] = 0;
}

/* The line is complete. Before HELLO nothing else counts. */
static void end_frame(struct frames *f, const struct frame_handler *handler)
{
    f->state = FRAME_NONE;
    f->text[f->length] = 0;
    if (f->letter == FRAME_HELLO)
        f->greeted = true;
    if (!f->greeted)
        return;
    if (f->letter == FRAME_BYE)
        f->over = true;
    handler->frame(handler->context, f->letter, f->text);
}

static void inside(struct frames *f, u8 byte, const struct frame_handler *handler)
{
    if (byte == '\n')
        end_frame(f, handler);
    else if (f->length < FRAME_TEXT - 1)
        f->text[f->length++] = (char)byte;
}

static void marked(struct frames *f, u8 byte)
{
    f->state = byte == FRAME_GUEST ? FRAME_GUEST_BYTE : FRAME_INSIDE;
    f->letter = (char)byte;
    f->length = 0;
}

static void guest_byte(struct frames *f, u8 byte, const struct frame_handler *handler)
{
    f->state = FRAME_NONE;
    if (f->greeted)
        handler->console(handler->context, &byte, 1);
}

/* The carrier's bytes up to the next mark; returns how many. */
static size_t plain(struct frames *f, const u8 *bytes, size_t length)
{
    const u8 *mark = memchr(bytes, FRAME_MARK, length);
    size_t run = mark ? (size_t)(mark - bytes) : length;
    for (size_t i = 0; !f->greeted && i < run; i++)
        keep_chatter(f, bytes[i]);
    if (!mark)
        return run;
    f->state = FRAME_MARKED;
    return run + 1;
}

void frames_feed(struct frames *f, const u8 *bytes, size_t length,
                 const struct frame_handler *handler)
{
    for (size_t i = 0; i < length && !f->over;) {
        if (f->state == FRAME_NONE)
            i += plain(f, bytes + i, length - i);
        else if (f->state == FRAME_MARKED)
            marked(f, bytes[i++]);
        else if (f->state == FRAME_GUEST_BYTE)
            guest_byte(f, bytes[i++], handler);
        else
            inside(f, bytes[i++], handler);
    }
}
