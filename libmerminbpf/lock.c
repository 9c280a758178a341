/* SPDX-License-Identifier: Apache-2.0 */
/* One agent a host: the lock on a directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Makes a directory and those above it; existing ones are left as they are. */
static int make_directories(const char *path)
{
	char partial[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(partial))
		return length ? -ENAMETOOLONG : -ENOENT;
	memcpy(partial, path, length + 1);
	for (size_t i = 1; i <= length; i++) {
		if (partial[i] != '/' && partial[i] != '\0')
			continue;
		partial[i] = '\0';
		if (mkdir(partial, 0700) < 0 && errno != EEXIST)
			return -errno;
		partial[i] = path[i];
	}
	return 0;
}

static bool is_directory_at(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
	       opened.st_ino == named.st_ino;
}

/* A descriptor whose name says who holds the lock, seen in /proc/<pid>/fd. Its absence harms nobody. */
static int open_label(const char *label)
{
	return label[0] ? memfd_create(label, MFD_CLOEXEC) : -1;
}

MERMINBPF_API int merminbpf_lock_acquire(struct merminbpf *handle, const char *path, const char *label)
{
	int error;
	int fd;

	if (handle->lock_fd >= 0)
		return failure_set(&handle->failure, -EALREADY, "This handle holds a lock");
	error = make_directories(path);
	if (error)
		return failure_set(&handle->failure, error, "Cannot create directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failure_set(&handle->failure, -errno, "Cannot open directory %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error = -errno;
		close(fd);
		return failure_set(&handle->failure, error, "Cannot lock directory %s", path);
	}
	/* The last holder may have removed the directory after we opened it: then we hold the lock of
	 * nothing. */
	if (!is_directory_at(fd, path)) {
		close(fd);
		return failure_set(&handle->failure, -EWOULDBLOCK, "Directory %s is being removed", path);
	}
	handle->lock_fd = fd;
	handle->label_fd = open_label(label);
	return 0;
}
