/*
 * Reads a Perfetto trace on stdin and prints what is in it: how many packets of
 * each kind, how many slices begin and end, and the last time. A decoder of its
 * own, so that an error of the encoder does not cancel itself out. Exit status 1:
 * not well-formed, time goes back, or slices are not nested.
 */
#include "core/types.h"

#include <stdio.h>
#include <stdlib.h>

struct part {
    const u8 *at, *end;
};

static void broken(const char *what)
{
    printf("broken: %s\n", what);
    exit(1);
}

static u64 varint(struct part *b)
{
    u64 value = 0;
    for (u32 shift = 0; shift < 70; shift += 7) {
        if (b->at == b->end)
            broken("a number is cut");
        value |= (u64)(*b->at & 0x7f) << shift;
        if (!(*b->at++ & 0x80))
            return value;
    }
    broken("a number is too long");
    return 0;
}

/* The next field: its number, and its value or, of a message or text, its bytes. */
static bool field(struct part *b, u32 *number, u64 *value, struct part *inner)
{
    if (b->at == b->end)
        return false;
    u64 key = varint(b);
    *number = (u32)(key >> 3);
    *inner = (struct part){0};
    if ((key & 7) != 0 && (key & 7) != 2)
        broken("a wire type that is not used");
    *value = varint(b);
    if ((key & 7) == 2) {
        if (*value > (u64)(b->end - b->at))
            broken("a message is cut");
        *inner = (struct part){b->at, b->at + *value};
        b->at += *value;
    }
    return true;
}

static u64 packets, tracks, interned, begins, ends, instants, counters, ftrace, last;

static void read_event(struct part event)
{
    u32 number;
    u64 value, type = 0, track = 0;
    struct part inner;
    while (field(&event, &number, &value, &inner)) {
        type = number == 9 ? value : type;
        track = number == 11 ? value : track;
    }
    begins += type == 1;
    ends += type == 2;
    instants += type == 3;
    counters += type == 4;
    if (!track || !type || type > 4 || ends > begins || begins > ends + 1)
        broken("an event without track or type, or slices that are not nested");
}

static void read_packet(struct part packet)
{
    u32 number;
    u64 value, sequence = 0;
    struct part inner;
    while (field(&packet, &number, &value, &inner)) {
        if (number == 8 && value < last)
            broken("time goes back");
        last = number == 8 ? value : last;
        sequence = number == 10 ? value : sequence;
        ftrace += number == 1;
        tracks += number == 60;
        interned += number == 12;
        if (number == 11)
            read_event(inner);
    }
    packets++;
    if (!sequence)
        broken("a packet without a sequence");
}

int main(void)
{
    size_t size = 0, capacity = 1 << 20, got;
    u8 *data = malloc(capacity);
    while (data && (got = fread(data + size, 1, capacity - size, stdin)) > 0) {
        size += got;
        if (size == capacity)
            data = realloc(data, capacity *= 2);
    }
    if (!data)
        broken("no memory");
    struct part trace = {data, data + size}, packet;
    u32 number;
    u64 value;
    while (field(&trace, &number, &value, &packet)) {
        if (number != 1)
            broken("something that is no packet");
        read_packet(packet);
    }
    printf("packets %lu tracks %lu interned %lu slices %lu ended %lu instants %lu counters %lu "
           "ftrace %lu last %lu\n",
           packets, tracks, interned, begins, ends, instants, counters, ftrace, last);
    free(data);
    return 0;
}
