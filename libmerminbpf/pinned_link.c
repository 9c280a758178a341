/* SPDX-License-Identifier: Apache-2.0 */
/* TCX links that outlive the handle, named mermin_link_<ifindex>_<side>_v<schema>. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "internal.h"

#define PATH_SIZE 256
#define LINK_TYPE_TCX 11 /* of Linux 6.6 */

static const char *const sides[2] = { "ingress", "egress" };

/* struct bpf_link_info of a TCX link as of Linux 6.6; the kernel writes no more than is asked for. */
struct tcx_link_info {
	uint32_t type;
	uint32_t id;
	uint32_t program_id;
	uint32_t padding;
	uint32_t ifindex; /* 0: the interface is gone */
	uint32_t attach_type;
};

struct link_detach {
	uint32_t link_fd;
};

static void link_path(char path[PATH_SIZE], const struct merminbpf *handle, uint32_t ifindex, uint32_t egress)
{
	snprintf(path, PATH_SIZE, "%s/mermin_link_%u_%s_v%d", handle->pin_directory, ifindex, sides[egress],
	         MERMIN_SCHEMA_VERSION);
}

static bool is_link_of(int fd, const struct hook *hook, uint32_t attach_type)
{
	struct tcx_link_info info = { 0 };
	uint32_t length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == LINK_TYPE_TCX &&
	       info.ifindex == hook->ifindex && info.attach_type == attach_type;
}

/* What the name of a pinned link says. */
struct link_name {
	uint32_t ifindex;
	uint32_t egress;
	uint32_t version;
};

static bool parse_name(const char *name, struct link_name *parsed)
{
	char side[8];
	int end = 0;

	if (sscanf(name, "mermin_link_%u_%7[a-z]_v%u%n", &parsed->ifindex, side, &parsed->version, &end) !=
	            3 ||
	    name[end] != '\0')
		return false;
	parsed->egress = strcmp(side, sides[1]) == 0;
	return strcmp(side, sides[parsed->egress]) == 0;
}

/*
 * Opens the link of a hook that an agent of another schema version has pinned, and writes its path. -ENOENT:
 * there is none.
 */
static int open_of_others(const struct merminbpf *handle, const struct hook *hook, uint32_t attach_type,
                          char path[PATH_SIZE])
{
	DIR *directory = handle->has_other_links ? opendir(handle->pin_directory) : NULL;
	struct dirent *entry;
	int found = -ENOENT;

	while (directory && found < 0 && (entry = readdir(directory))) {
		struct link_name name;

		if (!parse_name(entry->d_name, &name) || name.version == MERMIN_SCHEMA_VERSION ||
		    name.ifindex != hook->ifindex || name.egress != hook->egress)
			continue;
		snprintf(path, PATH_SIZE, "%s/%.100s", handle->pin_directory, entry->d_name);
		found = bpf_obj_get(path);
		if (found >= 0 && !is_link_of(found, hook, attach_type)) {
			close(found);
			found = -ENOENT;
		}
	}
	if (directory)
		closedir(directory);
	return found;
}

int pinned_link_take(const struct merminbpf *handle, struct failure *failure, struct hook *hook,
                     uint32_t attach_type)
{
	bool is_of_others = false;
	char path[PATH_SIZE];
	int error;
	int fd;

	if (handle->pin_directory[0] == '\0')
		return -ENOENT;
	link_path(path, handle, hook->ifindex, hook->egress);
	fd = bpf_obj_get(path);
	if (fd == -ENOENT) {
		fd = open_of_others(handle, hook, attach_type, path);
		is_of_others = fd >= 0;
	}
	if (fd < 0)
		return fd == -ENOENT ? -ENOENT : failure_set(failure, fd, "Cannot open %s", path);
	error = is_link_of(fd, hook, attach_type) ? bpf_link_update(fd, hook->program_fd, NULL) : -ENOLINK;
	if (error) {
		/* Of an interface that had the index before. */
		close(fd);
		unlink(path);
		return -ENOENT;
	}
	hook->link_fd = fd;
	if (!is_of_others)
		return 0;
	unlink(path);
	return pinned_link_make(handle, failure, hook);
}

int pinned_link_make(const struct merminbpf *handle, struct failure *failure, const struct hook *hook)
{
	char path[PATH_SIZE];
	int error;

	if (!handle->keeps_pins)
		return 0;
	link_path(path, handle, hook->ifindex, hook->egress);
	error = bpf_obj_pin(hook->link_fd, path);
	return error ? failure_set(failure, error, "Cannot pin %s", path) : 0;
}

void pinned_link_remove(const struct merminbpf *handle, const struct hook *hook)
{
	char path[PATH_SIZE];

	if (handle->pin_directory[0] == '\0')
		return;
	link_path(path, handle, hook->ifindex, hook->egress);
	unlink(path);
}

static void remove_link(const char *path)
{
	int fd = bpf_obj_get(path);
	struct link_detach detach = { .link_fd = (uint32_t)fd };

	if (fd >= 0) {
		bpf_call(BPF_LINK_DETACH, &detach, sizeof(detach));
		close(fd);
	}
	unlink(path);
}

void pinned_link_drop(const struct merminbpf *handle, const struct hook *hook)
{
	char path[PATH_SIZE];

	if (handle->pin_directory[0] == '\0')
		return;
	link_path(path, handle, hook->ifindex, hook->egress);
	remove_link(path);
}

bool pinned_links_of_others(const struct merminbpf *handle)
{
	DIR *directory = opendir(handle->pin_directory);
	struct link_name name;
	struct dirent *entry;
	bool is_there = false;

	while (directory && !is_there && (entry = readdir(directory)))
		is_there = parse_name(entry->d_name, &name) && name.version != MERMIN_SCHEMA_VERSION;
	if (directory)
		closedir(directory);
	return is_there;
}

MERMINBPF_API int merminbpf_pins_prune(struct merminbpf *handle)
{
	DIR *directory = handle->pin_directory[0] ? opendir(handle->pin_directory) : NULL;
	struct dirent *entry;
	int removed = 0;

	if (!directory)
		return 0;
	tasks_wait(handle);
	while ((entry = readdir(directory))) {
		char path[PATH_SIZE];
		struct link_name name;

		if (!parse_name(entry->d_name, &name) || (name.version == MERMIN_SCHEMA_VERSION &&
		                                          hook_has_link(handle, name.ifindex, name.egress)))
			continue;
		snprintf(path, PATH_SIZE, "%s/%.100s", handle->pin_directory, entry->d_name);
		remove_link(path);
		removed++;
	}
	closedir(directory);
	return removed;
}
