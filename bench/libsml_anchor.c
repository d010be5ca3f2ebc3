/* Measure libsml on files that are already cut out of their frames: parse, walk the lists, free.
 *
 * anchor FILE ROUNDS SECONDS: FILE holds, for each SML file, its length (4 octets, little endian) and its messages.
 * Prints the median rate in files/s of CPU time, and how many list entries one pass over all files gives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sml/sml_file.h>
#include <sml/sml_get_list_response.h>
#include <sml/sml_list.h>
#include <sml/sml_message.h>

static double cpu_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int compare(const void *left, const void *right) {
	double difference = *(const double *)left - *(const double *)right;
	return (difference > 0) - (difference < 0);
}

static long read_file(unsigned char *octets, size_t length) {
	long entries = 0;
	sml_file *file = sml_file_parse(octets, length);
	if (!file)
		return 0;
	for (int place = 0; place < file->messages_len; place++) {
		sml_message *message = file->messages[place];
		if (*message->message_body->tag != SML_MESSAGE_GET_LIST_RESPONSE)
			continue;
		sml_get_list_response *list = message->message_body->data;
		for (sml_list *entry = list->val_list; entry; entry = entry->next)
			entries++;
	}
	sml_file_free(file);
	return entries;
}

static unsigned long length_at(const unsigned char *place) {
	return place[0] | place[1] << 8 | place[2] << 16 | (unsigned long)place[3] << 24;
}

int main(int count, char **arguments) {
	if (count != 4)
		return 2;
	FILE *input = fopen(arguments[1], "rb");
	if (!input)
		return 3;
	fseek(input, 0, SEEK_END);
	long size = ftell(input);
	rewind(input);
	unsigned char *data = malloc(size + 1);
	if (!data || fread(data, 1, size, input) != (size_t)size)
		return 3;
	fclose(input);
	int rounds = atoi(arguments[2]);
	double seconds = atof(arguments[3]);
	double *rates = calloc(rounds, sizeof *rates);
	if (!rates || rounds < 1)
		return 2;
	long entries = 0;
	for (int round = 0; round < rounds; round++) {
		long files = 0;
		double start = cpu_seconds(), spent;
		do {
			entries = 0;
			for (long place = 0; place + 4 <= size; files++) {
				unsigned long length = length_at(data + place);
				entries += read_file(data + place + 4, length);
				place += 4 + length;
			}
		} while ((spent = cpu_seconds() - start) < seconds);
		rates[round] = files / spent;
	}
	qsort(rates, rounds, sizeof *rates, compare);
	printf("%f %ld\n", rates[rounds / 2], entries);
	return 0;
}
