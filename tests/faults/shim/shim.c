/* A library for LD_PRELOAD that counts the calls which change files below one folder and breaks the N-th of them.
 *
 * Knows libc and descriptors; does not know what the files are. The program under test arms it (`shim_arm`) when its
 * preparations are done; before that, and outside the folder, every call passes untouched. Each counted call is one
 * line of the trace: `number kind size path [path]`, tab separated, written before the call is made.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, FAIL, TORN, CUT };
#define EXT4_IOC_SHUTDOWN 0x8004587DUL

static char root[PATH_MAX];
static size_t root_length;
static atomic_long calls;
static long chosen, then_dies;
static int mode, fault, trace_fd = -1, mount_fd = -1;
static atomic_int armed;

/* Count changes below `folder`; at the `at`-th do what `how` says. `error` is the errno of FAIL. CUT shuts the file
 * system of `folder` down without writing its journal, which is what a power cut leaves. With `later` > 0 the process
 * is killed that many calls after the chosen one. */
void shim_arm(const char *folder, long at, int how, int error, int trace, long later)
{
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    atomic_store(&calls, 0);
    chosen = at;
    then_dies = later > 0 ? at + later : 0;
    mode = how;
    fault = error;
    trace_fd = trace;
    mount_fd = how == CUT ? (int)syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0) : -1;
    atomic_store(&armed, 1);
}

void shim_disarm(void) { atomic_store(&armed, 0); }
long shim_calls(void) { return atomic_load(&calls); }

static void note(const char *line, size_t size)
{
    if (trace_fd >= 0 && syscall(SYS_write, trace_fd, line, size) < 0)
        trace_fd = -1;
}

/* A line of the program's own in the trace, for example that it has answered. */
void shim_mark(const char *word)
{
    char line[128];
    int size = snprintf(line, sizeof line, "0\tmark\t0\t%s\n", word);
    note(line, (size_t)size);
}

static void die(void)
{
    if (mode == CUT) {
        unsigned int no_flush = 2;
        if (mount_fd < 0 || ioctl(mount_fd, EXT4_IOC_SHUTDOWN, &no_flush) != 0)
            _exit(77);
    }
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static int ours(const char *path)
{
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int fd, char *into)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, into, PATH_MAX - 1);
    into[size < 0 ? 0 : size] = 0;
    return size > 0;
}

static void resolve(int folder, const char *name, char *into)
{
    if (name[0] == '/') {
        snprintf(into, PATH_MAX, "%s", name);
        return;
    }
    char base[PATH_MAX] = "";
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base))
            base[0] = 0;
    } else {
        path_of(folder, base);
    }
    if (snprintf(into, PATH_MAX, "%s/%s", base, name) >= PATH_MAX)
        into[0] = 0;
}

/* True when this very call is to be broken by the caller: FAIL (errno is set) or TORN (a write makes half of it). */
static int meet(const char *kind, size_t size, const char *path, const char *other)
{
    if (!ours(path) && !(other && ours(other)))
        return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    char line[2 * PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld\t%s\t%zu\t%s%s%s\n", number, kind, size, path, other ? "\t" : "",
                          other ? other : "");
    note(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    if (then_dies && number == then_dies)
        die();
    if (number != chosen || mode == COUNT)
        return 0;
    if (mode == FAIL) {
        errno = fault;
        return 1;
    }
    if (mode == TORN && size > 0)
        return 1;
    die();
    return 0;
}

static int meet_path(const char *kind, int folder, const char *name)
{
    if (!atomic_load(&armed))
        return 0;
    char path[PATH_MAX];
    resolve(folder, name, path);
    return meet(kind, 0, path, NULL);
}

static int meet_two(const char *kind, int from_folder, const char *from, int to_folder, const char *to)
{
    if (!atomic_load(&armed))
        return 0;
    char one[PATH_MAX], two[PATH_MAX];
    resolve(from_folder, from, one);
    resolve(to_folder, to, two);
    return meet(kind, 0, one, two);
}

static int meet_fd(const char *kind, int fd, size_t size)
{
    if (!atomic_load(&armed))
        return 0;
    char path[PATH_MAX];
    return path_of(fd, path) && meet(kind, size, path, NULL);
}

#define REAL(name) ({ static typeof(&name) real; if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name); real; })

#define OPENING(name, PARAMETERS, FOLDER, CALL)                                                                       \
    int name PARAMETERS                                                                                               \
    {                                                                                                                 \
        mode_t permission = 0;                                                                                        \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                                        \
            va_list rest;                                                                                             \
            va_start(rest, flags);                                                                                    \
            permission = va_arg(rest, mode_t);                                                                        \
            va_end(rest);                                                                                             \
        }                                                                                                             \
        if ((flags & O_CREAT) && meet_path("open", FOLDER, path))                                                     \
            return -1;                                                                                                \
        return CALL;                                                                                                  \
    }

OPENING(open, (const char *path, int flags, ...), AT_FDCWD, REAL(open)(path, flags, permission))
OPENING(open64, (const char *path, int flags, ...), AT_FDCWD, REAL(open64)(path, flags, permission))
OPENING(openat, (int folder, const char *path, int flags, ...), folder, REAL(openat)(folder, path, flags, permission))
OPENING(openat64, (int folder, const char *path, int flags, ...), folder,
        REAL(openat64)(folder, path, flags, permission))

int creat(const char *path, mode_t permission)
{
    return meet_path("open", AT_FDCWD, path) ? -1 : REAL(creat)(path, permission);
}

/* TORN: half of it reaches the file, then the process is gone. */
#define WRITING(name, PARAMETERS, HALF, CALL)                                                                         \
    ssize_t name PARAMETERS                                                                                           \
    {                                                                                                                 \
        if (meet_fd("write", fd, size)) {                                                                             \
            if (mode == FAIL)                                                                                         \
                return -1;                                                                                            \
            (void)!HALF;                                                                                              \
            die();                                                                                                    \
        }                                                                                                             \
        return CALL;                                                                                                  \
    }

WRITING(write, (int fd, const void *data, size_t size), REAL(write)(fd, data, size / 2), REAL(write)(fd, data, size))
WRITING(pwrite, (int fd, const void *data, size_t size, off_t at), REAL(pwrite)(fd, data, size / 2, at),
        REAL(pwrite)(fd, data, size, at))
WRITING(pwrite64, (int fd, const void *data, size_t size, off64_t at), REAL(pwrite64)(fd, data, size / 2, at),
        REAL(pwrite64)(fd, data, size, at))

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    if (meet_fd("write", fd, size)) {
        if (mode == FAIL)
            return -1;
        (void)!REAL(writev)(fd, parts, count / 2);
        die();
    }
    return REAL(writev)(fd, parts, count);
}

#define ON_DESCRIPTOR(name, kind, PARAMETERS, CALL)                                                                   \
    int name PARAMETERS { return meet_fd(kind, fd, 0) ? -1 : CALL; }

ON_DESCRIPTOR(fsync, "sync", (int fd), REAL(fsync)(fd))
ON_DESCRIPTOR(fdatasync, "sync", (int fd), REAL(fdatasync)(fd))
ON_DESCRIPTOR(syncfs, "syncfs", (int fd), REAL(syncfs)(fd))
ON_DESCRIPTOR(ftruncate, "truncate", (int fd, off_t size), REAL(ftruncate)(fd, size))
ON_DESCRIPTOR(ftruncate64, "truncate", (int fd, off64_t size), REAL(ftruncate64)(fd, size))
ON_DESCRIPTOR(fallocate, "allocate", (int fd, int how, off_t at, off_t size), REAL(fallocate)(fd, how, at, size))

int posix_fallocate(int fd, off_t at, off_t size)
{
    return meet_fd("allocate", fd, 0) ? fault : REAL(posix_fallocate)(fd, at, size);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags)
{
    return meet_fd("write", to, 0) ? -1 : REAL(copy_file_range)(from, from_at, to, to_at, size, flags);
}

#define ON_PATH(name, kind, PARAMETERS, FOLDER, CALL)                                                                 \
    int name PARAMETERS { return meet_path(kind, FOLDER, path) ? -1 : CALL; }

ON_PATH(unlink, "unlink", (const char *path), AT_FDCWD, REAL(unlink)(path))
ON_PATH(unlinkat, "unlink", (int folder, const char *path, int flags), folder, REAL(unlinkat)(folder, path, flags))
ON_PATH(rmdir, "unlink", (const char *path), AT_FDCWD, REAL(rmdir)(path))
ON_PATH(mkdir, "mkdir", (const char *path, mode_t permission), AT_FDCWD, REAL(mkdir)(path, permission))
ON_PATH(mkdirat, "mkdir", (int folder, const char *path, mode_t permission), folder,
        REAL(mkdirat)(folder, path, permission))
ON_PATH(truncate, "truncate", (const char *path, off_t size), AT_FDCWD, REAL(truncate)(path, size))

#define ON_TWO(name, kind, PARAMETERS, A, B, CALL)                                                                    \
    int name PARAMETERS { return meet_two(kind, A, from, B, to) ? -1 : CALL; }

ON_TWO(rename, "rename", (const char *from, const char *to), AT_FDCWD, AT_FDCWD, REAL(rename)(from, to))
ON_TWO(renameat, "rename", (int a, const char *from, int b, const char *to), a, b, REAL(renameat)(a, from, b, to))
ON_TWO(renameat2, "rename", (int a, const char *from, int b, const char *to, unsigned int flags), a, b,
       REAL(renameat2)(a, from, b, to, flags))
ON_TWO(link, "link", (const char *from, const char *to), AT_FDCWD, AT_FDCWD, REAL(link)(from, to))
ON_TWO(linkat, "link", (int a, const char *from, int b, const char *to, int flags), a, b,
       REAL(linkat)(a, from, b, to, flags))
