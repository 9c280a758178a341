/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads datagrams from standard input, each behind its size (4 bytes, host order), and writes of each how
 * many rows are in it (4 bytes), then the rows. Built with sanitizers: each datagram lies in memory of
 * exactly its size.
 */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

#define ROWS 4

int main(void)
{
	struct merminbpf_translation rows[ROWS] __attribute__((aligned(8)));
	uint32_t size;

	while (fread(&size, sizeof(size), 1, stdin) == 1) {
		void *datagram = malloc(size);
		uint32_t count;

		if (fread(datagram, 1, size, stdin) != size)
			return 1;
		count = conntrack_read_entries(datagram, size, rows, ROWS);
		free(datagram);
		fwrite(&count, sizeof(count), 1, stdout);
		fwrite(rows, sizeof(*rows), count, stdout);
	}
	return 0;
}
