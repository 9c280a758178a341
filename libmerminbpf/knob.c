/* SPDX-License-Identifier: Apache-2.0 */
/* Knobs: scalars and arrays of .rodata, found by name in the object's type information. */
#include <errno.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "internal.h"

struct knob {
	uint32_t offset; /* in .rodata */
	uint32_t size;
	bool is_scalar; /* of 1, 2, 4 or 8 bytes */
	bool is_array;
	bool is_signed;
	bool is_bool;
};

static const struct btf_type *without_modifiers(const struct btf *btf, uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(btf, type->type);
	return type;
}

/* Reads what a knob's value may be; neither a scalar nor an array is no knob, but found. */
static void knob_type(const struct btf *btf, uint32_t id, struct knob *knob)
{
	const struct btf_type *type = without_modifiers(btf, id);
	int64_t size = type ? btf__resolve_size(btf, id) : -EINVAL;

	if (size <= 0)
		return;
	knob->size = (uint32_t)size;
	knob->is_array = btf_is_array(type);
	knob->is_scalar = (btf_is_int(type) || btf_is_any_enum(type)) &&
	                  (size == 1 || size == 2 || size == 4 || size == 8);
	if (!knob->is_scalar)
		return;
	knob->is_signed = btf_is_int(type) ? btf_int_encoding(type) & BTF_INT_SIGNED : btf_kflag(type);
	knob->is_bool = btf_is_int(type) && btf_int_encoding(type) & BTF_INT_BOOL;
}

static int knob_find(const struct btf *btf, const char *name, struct knob *knob)
{
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
	const struct btf_var_secinfo *entry;

	if (!section)
		return -ENOENT;
	entry = btf_var_secinfos(section);
	for (uint32_t i = 0; i < btf_vlen(section); i++, entry++) {
		const struct btf_type *variable = btf__type_by_id(btf, entry->type);
		const char *found = variable ? btf__name_by_offset(btf, variable->name_off) : NULL;

		if (!found || strcmp(found, name) != 0)
			continue;
		knob->offset = entry->offset;
		knob_type(btf, variable->type, knob);
		return 0;
	}
	return -ENOENT;
}

/* Whether cutting `value` to the knob's size and extending it again gives the same 64 bits. */
static bool fits(const struct knob *knob, uint64_t value)
{
	uint32_t spare = 64 - 8 * knob->size;

	if (knob->is_bool)
		return value <= 1;
	if (knob->is_signed)
		return (uint64_t)((int64_t)(value << spare) >> spare) == value;
	return value << spare >> spare == value;
}

/* Writes a knob's bytes to where the object keeps them until it is loaded. */
static int knob_store(struct merminbpf *handle, const char *name, const struct knob *knob, const void *bytes)
{
	struct bpf_map *map = bpf_object__find_map_by_name(handle->object, ".rodata");
	size_t size = 0;
	char *memory = map ? (char *)bpf_map__initial_value(map, &size) : NULL;

	if (!memory || knob->offset > size || knob->size > size - knob->offset)
		return failure_set(&handle->failure, -ENOENT, "Knob %s lies outside .rodata", name);
	memcpy(memory + knob->offset, bytes, knob->size);
	return 0;
}

MERMINBPF_API int merminbpf_knob_set(struct merminbpf *handle, const char *name, uint32_t low, uint32_t high)
{
	uint64_t value = (uint64_t)high << 32 | low;
	struct knob knob = { 0 };
	int error;

	if (handle->state != LOAD_NONE)
		return failure_set(&handle->failure, -EBUSY, "Cannot set knob %s after load", name);
	error = knob_find(bpf_object__btf(handle->object), name, &knob);
	if (!error && !knob.is_scalar)
		error = -EINVAL;
	if (error)
		return failure_set(&handle->failure, error, "The object has no scalar knob %s", name);
	if (!fits(&knob, value))
		return failure_set(&handle->failure, -ERANGE, "Value %#llx of knob %s does not fit %u bytes",
		                   (unsigned long long)value, name, knob.size);
	/* Shim and BPF object are of one byte order (libbpf refuses others), so only a big-endian
	 * machine takes the last bytes of the value. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value <<= 64 - 8 * knob.size;
#endif
	return knob_store(handle, name, &knob, &value);
}

MERMINBPF_API int merminbpf_knob_write(struct merminbpf *handle, const char *name, const void *bytes,
                                       uint32_t size)
{
	struct knob knob = { 0 };
	int error;

	if (handle->state != LOAD_NONE)
		return failure_set(&handle->failure, -EBUSY, "Cannot set knob %s after load", name);
	error = knob_find(bpf_object__btf(handle->object), name, &knob);
	if (!error && !knob.is_array)
		error = -EINVAL;
	if (error)
		return failure_set(&handle->failure, error, "The object has no array knob %s", name);
	if (knob.size != size)
		return failure_set(&handle->failure, -ERANGE, "Knob %s has %u bytes, not %u", name, knob.size,
		                   size);
	return knob_store(handle, name, &knob, bytes);
}
