/* Whatever goes wrong while a checkpoint is written, training ends with an error that says so, the checkpoint
 * from before is whole, nothing is left beside it, and training goes on from it to the same bytes. */
#include "nn/checkpoint.h"
#include "tests/nn/folder_internal.h"
#include "tests/nn/testing_internal.h"
#include "tests/support/file_calls.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

enum { SAMPLES = 12, FEATURES = 3, BATCH = 4, EPOCHS = 2, STEPS = 6 };

static const char path[] = "run.checkpoint", whole_path[] = "whole.checkpoint";

static tl_model *new_model(int64_t units)
{
    tl_model *model =
        tl_sequential(tl_dense(units, .activation = TL_TANH), tl_dropout_layer(0.2), tl_dense(1));
    check_ok(tl_compile(model, .optimizer = tl_adam(), .loss = TL_MEAN_SQUARED_ERROR));
    check_ok(tl_build(model, tl_shape(FEATURES), TL_F32, 1));
    return model;
}

/* Trains a new model. False with the error set. */
static bool train(const char *checkpoint, int64_t units, bool resume)
{
    tl_model *model = new_model(units);
    tl_dataset data = tl_dataset_of(random_tensor(TL_F32, tl_shape(SAMPLES, FEATURES), 1),
                                    random_tensor(TL_F32, tl_shape(SAMPLES, 1), 2));
    tl_history *history = tl_fit(model, data, .epochs = EPOCHS, .batch_size = BATCH, .checkpoint = checkpoint,
                                 .checkpoint_every = 1, .resume = resume);
    tl_history_free(history);
    tl_model_free(model);
    tl_dataset_free(&data);
    return history != NULL;
}

static void check_same_files(const char *a, const char *b)
{
    size_t size, other;
    char *one = file_contents(a, &size), *two = file_contents(b, &other);
    ck_assert_msg(size == other && memcmp(one, two, size) == 0, "%s and %s differ", a, b);
    free(one);
    free(two);
}

/* --- Calls that fail --- */

typedef struct failure {
    char call;
    int error;
    bool half;
} failure;

/* Fails the nth call of a kind, for every n there is. */
static int check_all_failures(failure f)
{
    for (int n = 1;; n++) {
        unlink(path);
        failing_call.call = f.call;
        failing_call.countdown = n;
        failing_call.error = f.error;
        failing_call.half = f.half;
        bool trained = train(path, 4, false);
        bool failed = failing_call.countdown == 0;
        failing_call.call = 0;
        if (!failed) {
            ck_assert(trained);
            return n - 1;
        }
        ck_assert_msg(!trained, "call %d of %c failed, and nobody noticed", n, f.call);
        check_error(TL_ERROR_IO, "run.checkpoint: ");
        check_error(TL_ERROR_IO, strerror(f.error));
        const bool is_there = access(path, F_OK) == 0;
        ck_assert_int_eq(count_files(), 1 + is_there);
        ck_assert_msg(train(path, 4, is_there), "%s", tl_error_message());
        check_same_files(path, whole_path);
    }
}

START_TEST(any_call_may_fail)
{
    static const failure failures[] = {{'w', ENOSPC, false}, {'w', ENOSPC, true},  {'w', EIO, false},
                                       {'f', EIO, false},    {'f', ENOSPC, false}, {'r', EIO, false},
                                       {'r', ENOSPC, false}, {'d', EIO, false}};
    enter_folder();
    ck_assert(train(whole_path, 4, false));
    int calls = check_all_failures(failures[_i]);
    if (failures[_i].call == 'w')
        ck_assert_int_gt(calls, STEPS * 10); /* a header and each tensor */
    else
        ck_assert_int_eq(calls, STEPS);
    leave_folder();
}
END_TEST

/* A signal that interrupts a call is no failure. */
START_TEST(interrupted_calls_are_made_again)
{
    static const char calls[] = "wfd";
    enter_folder();
    ck_assert(train(whole_path, 4, false));
    for (int i = 0; i < 3; i++)
        for (int n = 1; n <= STEPS; n++) {
            failing_call.call = calls[i];
            failing_call.countdown = n;
            failing_call.error = EINTR;
            ck_assert_msg(train(path, 4, false), "%s", tl_error_message());
            ck_assert_int_eq(failing_call.countdown, 0);
            check_same_files(path, whole_path);
        }
    leave_folder();
}
END_TEST

/* The file is on the disk before it gets its name, and its name after that. */
START_TEST(calls_are_in_their_order)
{
    enter_folder();
    tl_model *model = new_model(4);
    for (int i = 0; i < 2; i++) { /* without an old file, and with one */
        memset(file_calls, 0, sizeof file_calls);
        check_ok(tl_checkpoint_save(model, path));
        ck_assert_str_eq(file_calls, "wfrd");
    }
    tl_model_free(model);
    leave_folder();
}
END_TEST

/* --- Disks that are full, folders that are closed --- */

START_TEST(a_file_that_may_not_grow_so_far)
{
    enter_folder();
    ck_assert(train(whole_path, 4, false));
    tl_model *model = new_model(4), *twin = new_model(4);
    check_ok(tl_checkpoint_save(model, path));
    for (rlim_t most = 0; most < 1000; most += 250) {
        struct rlimit usual, tight;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        tight = usual;
        tight.rlim_cur = most;
        int set = setrlimit(RLIMIT_FSIZE, &tight);
        tl_status status = tl_checkpoint_save(model, path);
        bool trained = train("other.checkpoint", 4, false);
        setrlimit(RLIMIT_FSIZE, &usual); /* Check itself writes a file */
        signal(SIGXFSZ, handler);
        ck_assert_int_eq(set, 0);
        ck_assert_int_eq(status, TL_ERROR_IO);
        ck_assert(!trained);
        check_error(TL_ERROR_IO, "other.checkpoint: cannot be written: File too large");
        ck_assert_int_eq(count_files(), 2);
        check_ok(tl_checkpoint_load(twin, path));
    }
    tl_model_free(model);
    tl_model_free(twin);
    leave_folder();
}
END_TEST

static void fill_up(const char *name)
{
    static const char bytes[4096];
    int file = open(name, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    while (syscall(SYS_write, file, bytes, sizeof bytes) > 0)
        ;
    ck_assert_int_eq(errno, ENOSPC);
    close(file);
}

/* A disk of 256 kB, of this process alone. */
static bool mount_small_disk(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("none", "disk", "tmpfs", 0, "size=256k") == 0;
}

START_TEST(a_full_disk)
{
    enum { UNITS = 600 }; /* about 40 kB */
    enter_folder();
    ck_assert_int_eq(mkdir("disk", 0700), 0);
    if (!mount_small_disk()) {
        printf("test_durable: SKIPPED a full disk: mounting one is not permitted: %s\n", strerror(errno));
    } else {
        ck_assert(train(whole_path, UNITS, false));
        ck_assert_int_eq(chdir("disk"), 0);
        tl_model *model = new_model(UNITS);
        check_ok(tl_checkpoint_save(model, "other.checkpoint"));
        tl_model_free(model);
        failing_call.call = 'f'; /* so that there is one, of the first step */
        failing_call.countdown = 2;
        failing_call.error = EIO;
        ck_assert(!train(path, UNITS, false));
        failing_call.call = 0;
        fill_up("filler");
        for (int i = 0; i < 3; i++) {
            ck_assert(!train(path, UNITS, true));
            check_error(TL_ERROR_IO, "run.checkpoint: cannot be written: No space left on device");
            ck_assert_int_eq(count_files(), 3);
        }
        model = new_model(UNITS);
        check_ok(tl_checkpoint_load(model, "other.checkpoint"));
        tl_model_free(model);
        unlink("filler");
        ck_assert_msg(train(path, UNITS, true), "%s", tl_error_message());
        check_same_files(path, "../whole.checkpoint");
        ck_assert_int_eq(chdir(".."), 0);
        ck_assert_int_eq(umount2("disk", MNT_DETACH), 0);
    }
    ck_assert_int_eq(rmdir("disk"), 0);
    leave_folder();
}
END_TEST

START_TEST(a_closed_folder)
{
    const bool root = geteuid() == 0; /* whom nothing is closed to */
    enter_folder();
    ck_assert_int_eq(chmod(".", 0755), 0);
    ck_assert(train(whole_path, 4, false));
    ck_assert_int_eq(mkdir("closed", 0755), 0);
    ck_assert(train("closed/run.checkpoint", 4, false));
    ck_assert_int_eq(chmod("closed/run.checkpoint", 0666), 0);
    ck_assert_int_eq(chmod("closed", 0555), 0);
    if (root)
        ck_assert_int_eq(seteuid(65534), 0);
    tl_model *model = new_model(4);
    bool trained = train("closed/run.checkpoint", 4, true);
    tl_status status = tl_checkpoint_save(model, "closed/run.checkpoint");
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert(!trained);
    ck_assert_int_eq(status, TL_ERROR_IO);
    check_error(TL_ERROR_IO, "closed/run.checkpoint: cannot be written: Permission denied");
    check_same_files("closed/run.checkpoint", whole_path);
    ck_assert_int_eq(chmod("closed", 0755), 0);
    unlink("closed/run.checkpoint");
    ck_assert_int_eq(rmdir("closed"), 0);
    tl_model_free(model);
    leave_folder();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("durable");
    tcase_add_loop_test(tests, any_call_may_fail, 0, 8);
    tcase_add_test(tests, interrupted_calls_are_made_again);
    tcase_add_test(tests, calls_are_in_their_order);
    tcase_add_test(tests, a_file_that_may_not_grow_so_far);
    tcase_add_test(tests, a_full_disk);
    tcase_add_test(tests, a_closed_folder);
    return run_tests("durable", tests);
}
