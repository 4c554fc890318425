/* Records in memory: what is appended is handed on; what is read is whole, whatever the block says.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "replay/log.h"

enum { CAPACITY = LOG_EXIT_ROOM + 512 };

static u8 buffer[CAPACITY] __attribute__((aligned(8)));
static u8 handed[8 * CAPACITY] __attribute__((aligned(8)));
static u32 handed_length, hand_ons;
static enum status answer;

static struct err take(void *context, const void *records, u32 length)
{
    cr_assert_eq(context, handed);
    memcpy(handed + handed_length, records, length);
    handed_length += length;
    hand_ons++;
    return answer ? ERR(answer, "no", 0, 0) : NO_ERR;
}

static struct log new_log(void)
{
    handed_length = hand_ons = 0;
    answer = OK;
    return (struct log){.buffer = buffer, .capacity = CAPACITY, .hand_on = take, .context = handed};
}

/* --- writing ------------------------------------------------------------------------------- */

Test(log, records_are_handed_on_in_order)
{
    struct log log = new_log();
    for (u32 i = 0; i < 5; i++) {
        struct clock_record *record = log_append(&log, i % 2 ? REC_CLOCK : REC_TIMER);
        cr_assert_eq(record->kind, i % 2 ? REC_CLOCK : REC_TIMER);
        record->exit = i;
    }
    cr_assert_eq(handed_length, 0);
    log_hand_on(&log);
    cr_assert_eq(handed_length, 2 * sizeof(struct clock_record) + 3 * sizeof(struct timer_record));
    for (u32 i = 0; i < 5; i++)
        cr_assert_eq(((struct clock_record *)handed)[i].exit, i);
    cr_assert_eq(log.used, 0);
    log_hand_on(&log);
    cr_assert_eq(hand_ons, 1, "an empty block is none");
}

Test(log, it_is_full_before_there_is_no_room)
{
    struct log log = new_log();
    while (!log_full(&log))
        log_append(&log, REC_EXIT);
    cr_assert_gt(log.used, 512);
    cr_assert_leq(log.used, 512 + sizeof(struct exit_record));
}

Test(log, beyond_its_room_records_go_nowhere)
{
    struct log log = new_log();
    for (u32 i = 0; i < CAPACITY; i++)
        memset(log_append(&log, REC_STATE), 0xff, sizeof(struct state_record));
    cr_assert_leq(log.used, CAPACITY);
}

Test(log, without_a_buffer_nothing_is_kept)
{
    struct log log = {0};
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++)
        if (record_size(kind))
            cr_assert_not_null(log_append(&log, kind));
    cr_assert_eq(log.used, 0);
    cr_assert(!log_full(&log));
    log_hand_on(&log);
    cr_assert_eq(log.error.code, OK);
}

Test(log, the_first_error_sticks_and_nothing_more_is_kept)
{
    struct log log = new_log();
    answer = NO_SPACE;
    log_append(&log, REC_EXIT);
    log_hand_on(&log);
    cr_assert_eq(log.error.code, NO_SPACE);
    answer = OK;
    log_append(&log, REC_EXIT);
    log_hand_on(&log);
    cr_assert_eq(hand_ons, 1);
    cr_assert_eq(log.error.code, NO_SPACE);
}

/* --- reading -------------------------------------------------------------------------------- */

struct blocks {
    u32 count, next;
    u8 *at[8];
    u32 length[8];
};

static bool next_block(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct blocks *blocks = cursor->context;
    if (blocks->next == blocks->count)
        return false;
    *block = blocks->at[blocks->next];
    *length = blocks->length[blocks->next++];
    return true;
}

/* In memory of its own, so that ASan sees a read beyond its end. */
static void add_block(struct blocks *blocks, const void *bytes, u32 length)
{
    blocks->at[blocks->count] = malloc(length);
    memcpy(blocks->at[blocks->count], bytes, length);
    blocks->length[blocks->count++] = length;
}

static void free_blocks(struct blocks *blocks)
{
    for (u32 i = 0; i < blocks->count; i++)
        free(blocks->at[i]);
}

static u32 count_records(struct blocks *blocks, u32 kinds)
{
    struct log_cursor cursor = {.next_block = next_block, .context = blocks, .kinds = kinds};
    u32 count = 0;
    blocks->next = 0;
    while (log_peek(&cursor)) {
        cr_assert(BIT(log_peek(&cursor)->kind) & kinds);
        log_take(&cursor);
        count++;
    }
    cr_assert_null(log_peek(&cursor));
    log_take(&cursor); /* nothing to take */
    return count;
}

static const struct clock_record clock_one = {REC_CLOCK, 1, 11}, clock_two = {REC_CLOCK, 2, 22};
static const struct end_record the_end = {.kind = REC_END, .reason = 1};

Test(log, a_cursor_sees_its_kinds_in_all_blocks)
{
    struct blocks blocks = {0};
    struct {
        struct clock_record a;
        struct end_record b;
        struct clock_record c;
    } mixed = {clock_one, the_end, clock_two};
    add_block(&blocks, &mixed, sizeof(mixed));
    add_block(&blocks, &clock_two, 0); /* an empty block is no end */
    add_block(&blocks, &mixed, sizeof(mixed));
    cr_assert_eq(count_records(&blocks, BIT(REC_CLOCK)), 4);
    cr_assert_eq(count_records(&blocks, BIT(REC_END)), 2);
    cr_assert_eq(count_records(&blocks, BIT(REC_CLOCK) | BIT(REC_END)), 6);
    cr_assert_eq(count_records(&blocks, BIT(REC_EXIT)), 0);
    free_blocks(&blocks);
}

Test(log, peeking_takes_nothing)
{
    struct blocks blocks = {0};
    add_block(&blocks, &clock_one, sizeof(clock_one));
    struct log_cursor cursor = {
        .next_block = next_block, .context = &blocks, .kinds = BIT(REC_CLOCK)};
    cr_assert_eq(log_peek(&cursor)->clock.value, 11);
    cr_assert_eq(log_peek(&cursor)->clock.value, 11);
    log_take(&cursor);
    cr_assert_null(log_peek(&cursor));
    free_blocks(&blocks);
}

Test(log, nothing_is_read_beyond_a_block)
{
    struct clock_record two[2] = {clock_one, clock_two};
    for (u32 length = 0; length <= sizeof(two); length++) {
        struct blocks blocks = {0};
        add_block(&blocks, two, length);
        add_block(&blocks, &clock_two, sizeof(clock_two));
        cr_expect_eq(count_records(&blocks, BIT(REC_CLOCK)), length / sizeof(clock_one) + 1, "%u",
                     length);
        free_blocks(&blocks);
    }
}

Test(log, a_kind_that_does_not_exist_spoils_the_rest_of_its_block_only)
{
    static const u16 kinds[] = {0, 5, 15, 21, 31, 32, 0xffff};
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct blocks blocks = {0};
        struct clock_record three[3] = {clock_one, clock_two, clock_one};
        three[1].kind = kinds[i];
        add_block(&blocks, three, sizeof(three));
        add_block(&blocks, &clock_two, sizeof(clock_two));
        cr_expect_eq(count_records(&blocks, BIT(REC_CLOCK)), 2, "%u", kinds[i]);
        free_blocks(&blocks);
    }
}
