/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failure texts. libbpf reports through one callback of the process; here each thread names the
 * failure that collects its messages, so that two handles on two threads never mix.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "internal.h"

#define LOG_BEGIN "-- BEGIN PROG LOAD LOG --\n"
#define LOG_END "-- END PROG LOAD LOG --"

static __thread struct failure *collecting;
static __thread struct failure thread_failure;

/* Appends to a buffer that keeps its end: what does not fit pushes out the oldest bytes. */
static void append_tail(char *buffer, size_t size, const char *text, size_t length)
{
	size_t used = strlen(buffer);

	if (length > size - 1) {
		text += length - (size - 1);
		length = size - 1;
	}
	if (used + length > size - 1) {
		size_t excess = used + length - (size - 1);

		memmove(buffer, buffer + excess, used - excess);
		used -= excess;
	}
	memcpy(buffer + used, text, length);
	buffer[used + length] = '\0';
}

/* Appends text on a line of its own, without the line end it may have. */
static void append_part(char *buffer, size_t size, const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length == 0)
		return;
	append_tail(buffer, size, "\n", 1);
	append_tail(buffer, size, text, length);
}

static void collect(struct failure *failure, const char *text)
{
	const char *log = strstr(text, LOG_BEGIN);

	if (log) {
		const char *end;

		log += strlen(LOG_BEGIN);
		end = strstr(log, LOG_END);
		append_tail(failure->log, sizeof(failure->log), log, end ? (size_t)(end - log) : strlen(log));
		return;
	}
	if (strncmp(text, "libbpf: ", 8) == 0)
		text += 8;
	append_tail(failure->notes, sizeof(failure->notes), text, strlen(text));
}

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text;
	int length;

	if (level != LIBBPF_WARN || !collecting)
		return 0;
	length = vasprintf(&text, format, arguments);
	if (length < 0)
		return 0;
	collect(collecting, text);
	free(text);
	return length;
}

void failure_begin(struct failure *failure)
{
	libbpf_set_print(print);
	collecting = failure;
	failure->notes[0] = '\0';
	failure->log[0] = '\0';
}

void failure_end(void)
{
	collecting = NULL;
}

int failure_set(struct failure *failure, int error, const char *format, ...)
{
	char description[128];
	bool collected = failure == collecting;
	char message[MESSAGE_SIZE];
	va_list arguments;

	collecting = NULL;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	/* Knows errno and libbpf's own numbers from 4000. */
	libbpf_strerror(error, description, sizeof(description));
	snprintf(failure->text, sizeof(failure->text), "%s: %s", message, description);
	if (!collected)
		return error;
	append_part(failure->text, sizeof(failure->text), failure->notes);
	append_part(failure->text, sizeof(failure->text), failure->log);
	return error;
}

struct failure *failure_of_thread(void)
{
	return &thread_failure;
}

MERMINBPF_API const char *merminbpf_error(const struct merminbpf *handle)
{
	return handle ? handle->failure.text : thread_failure.text;
}
