/* The arena is compiled into this test, over a heap that counts and can be told to fail. */
#include "tests/support/heap.h"
#include "tensor/arena.c"
#include "tests/support/suite.h"

#include <stdio.h>

enum { PIECES = 300 };

/* Sizes of all kinds, from nothing to more than the arena grows by on its own. */
static size_t piece_size(int i)
{
    static const size_t sizes[] = {1, 0, 63, 64, 65, 1000, 4096, 100, 30000, 200000};
    return sizes[i % 10] + (size_t)i;
}

/* Takes PIECES pieces and writes to all of them; their contents must survive all later pieces. Returns
 * the bytes taken, as the arena counts them; *first and *end enclose the pieces. */
static size_t take_round(tl_arena *arena, char **first, char **end)
{
    char *pieces[PIECES];
    size_t total = 0;
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = tl_arena_take(arena, piece_size(i));
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 64, 0);
        memset(pieces[i], i % 251, piece_size(i));
        total += (piece_size(i) + 63) / 64 * 64;
        ck_assert_uint_eq(tl_arena_used(arena), total);
    }
    *first = *end = pieces[0];
    for (int i = 0; i < PIECES; i++) {
        size_t right = 0;
        while (right < piece_size(i) && pieces[i][right] == (char)(i % 251))
            right++;
        ck_assert_uint_eq(right, piece_size(i));
        *first = pieces[i] < *first ? pieces[i] : *first;
        char *behind = pieces[i] + (piece_size(i) + 63) / 64 * 64;
        *end = behind > *end ? behind : *end;
    }
    return total;
}

START_TEST(a_new_arena_has_given_nothing)
{
    tl_arena *arena = tl_arena_new(0);
    ck_assert_ptr_nonnull(arena);
    ck_assert_int_eq(allocated, 1);
    ck_assert_uint_eq(tl_arena_used(arena), 0);
    ck_assert_uint_eq(tl_arena_peak(arena), 0);
    tl_arena_reset(arena);
    tl_arena_free(arena);
    tl_arena_free(NULL);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(room_asked_for_at_first_is_there)
{
    tl_arena *arena = tl_arena_new(1000000);
    int64_t before = allocated;
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_nonnull(tl_arena_take(arena, 9984));
    ck_assert_int_eq(allocated, before);
    ck_assert_uint_eq(tl_arena_used(arena), 998400);
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(pieces_are_aligned_and_apart)
{
    tl_arena *arena = tl_arena_new(0);
    char *first, *end;
    take_round(arena, &first, &end);
    ck_assert_int_gt(held, 2); /* it did grow */
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(growing_asks_the_heap_seldom)
{
    tl_arena *arena = tl_arena_new(0);
    for (int i = 0; i < 16384; i++)
        ck_assert_ptr_nonnull(tl_arena_take(arena, 4096));
    ck_assert_int_le(allocated, 16); /* 64 MiB by doubling from 64 KiB, and the arena itself */
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(a_second_round_of_the_same_size_leaves_the_heap_alone)
{
    tl_arena *arena = tl_arena_new(0);
    char *first, *end, *again, *again_end;
    size_t total = take_round(arena, &first, &end);
    tl_arena_reset(arena);
    ck_assert_uint_eq(tl_arena_used(arena), 0);
    ck_assert_int_eq(held, 2); /* the arena, and one stretch */
    int64_t before = allocated;
    ck_assert_uint_eq(take_round(arena, &first, &end), total);
    ck_assert_uint_eq((size_t)(end - first), total);
    for (int round = 0; round < 3; round++) {
        tl_arena_reset(arena);
        take_round(arena, &again, &again_end);
        ck_assert_ptr_eq(again, first);
    }
    ck_assert_int_eq(allocated, before);
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(a_larger_round_is_joined_at_the_next_reset)
{
    tl_arena *arena = tl_arena_new(0);
    char *first, *end;
    take_round(arena, &first, &end);
    tl_arena_reset(arena);
    size_t total = take_round(arena, &first, &end) + 10000000;
    ck_assert_ptr_nonnull(tl_arena_take(arena, 10000000));
    tl_arena_reset(arena);
    int64_t before = allocated;
    ck_assert_ptr_nonnull(tl_arena_take(arena, total));
    tl_arena_reset(arena);
    ck_assert_ptr_nonnull(tl_arena_take(arena, 64)); /* a small round does not shrink it */
    tl_arena_reset(arena);
    ck_assert_ptr_nonnull(tl_arena_take(arena, total));
    ck_assert_int_eq(allocated, before);
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(the_peak_is_the_most_between_two_resets)
{
    tl_arena *arena = tl_arena_new(128);
    static const struct {
        size_t bytes, used, peak;
    } rounds[] = {
        {100, 128, 128}, {300000, 300032, 300032}, {1, 64, 300032}, {0, 0, 300032}, {300033, 300096, 300096}};
    for (size_t i = 0; i < sizeof rounds / sizeof rounds[0]; i++) {
        ck_assert_ptr_nonnull(tl_arena_take(arena, rounds[i].bytes));
        ck_assert_uint_eq(tl_arena_used(arena), rounds[i].used);
        ck_assert_uint_eq(tl_arena_peak(arena), rounds[i].peak);
        tl_arena_reset(arena);
        ck_assert_uint_eq(tl_arena_used(arena), 0);
        ck_assert_uint_eq(tl_arena_peak(arena), rounds[i].peak);
    }
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX - 128, SIZE_MAX / 2};
    tl_arena *arena = tl_arena_new(1000);
    ck_assert_ptr_nonnull(tl_arena_take(arena, 100));
    int64_t before = held;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char message[64];
        snprintf(message, sizeof message, "out of memory: %zu bytes", sizes[i]);
        tl_error(TL_ERROR_STATE, "another error");
        ck_assert_ptr_null(tl_arena_take(arena, sizes[i]));
        EXPECT_ERROR(TL_ERROR_MEMORY, message);
        tl_error(TL_ERROR_STATE, "another error");
        ck_assert_ptr_null(tl_arena_new(sizes[i]));
        EXPECT_ERROR(TL_ERROR_MEMORY, message);
    }
    ck_assert_int_eq(held, before);
    ck_assert_uint_eq(tl_arena_used(arena), 128);
    ck_assert_ptr_nonnull(tl_arena_take(arena, 100));
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(an_arena_that_cannot_be_made_is_null)
{
    for (failing = 0; failing < 2; failing++) {
        allocated = 0;
        ck_assert_ptr_null(tl_arena_new(100));
        ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
        ck_assert_int_eq(held, 0);
    }
}
END_TEST

START_TEST(an_arena_goes_on_after_a_failure)
{
    tl_arena *arena = tl_arena_new(0);
    char *piece = tl_arena_take(arena, 1000);
    memset(piece, 42, 1000);
    failing = allocated;
    ck_assert_ptr_null(tl_arena_take(arena, 100000));
    ck_assert_int_eq(tl_error_status(), TL_ERROR_MEMORY);
    ck_assert_uint_eq(tl_arena_used(arena), 1024);
    ck_assert_ptr_nonnull(tl_arena_take(arena, 100000));
    ck_assert_int_eq(piece[999], 42);
    failing = allocated; /* the joined stretch cannot be had: the next piece asks again */
    tl_arena_reset(arena);
    ck_assert_int_eq(held, 1);
    failing = allocated;
    ck_assert_ptr_null(tl_arena_take(arena, 10));
    ck_assert_ptr_nonnull(tl_arena_take(arena, 10));
    ck_assert_uint_eq(tl_arena_used(arena), 64);
    tl_arena_free(arena);
    ck_assert_int_eq(held, 0);
}
END_TEST

int main(void)
{
    return RUN_SUITE("arena", a_new_arena_has_given_nothing, room_asked_for_at_first_is_there,
                     pieces_are_aligned_and_apart, growing_asks_the_heap_seldom,
                     a_second_round_of_the_same_size_leaves_the_heap_alone,
                     a_larger_round_is_joined_at_the_next_reset, the_peak_is_the_most_between_two_resets,
                     absurd_sizes_are_refused, an_arena_that_cannot_be_made_is_null,
                     an_arena_goes_on_after_a_failure);
}
