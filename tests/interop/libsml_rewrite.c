/* Read SML messages from a file with libsml and write them to the standard output again. */
#include <stdio.h>
#include <stdlib.h>

#include <sml/sml_file.h>
#include <sml/sml_message.h>

#define LARGEST 65536

int main(int count, char **arguments) {
	static unsigned char octets[LARGEST];
	FILE *input = count == 2 ? fopen(arguments[1], "rb") : NULL;
	if (!input)
		return 2;
	size_t length = fread(octets, 1, sizeof octets, input);
	fclose(input);
	sml_file *file = sml_file_parse(octets, length);
	if (!file)
		return 3;
	sml_buffer *output = sml_buffer_init(LARGEST);
	for (int place = 0; place < file->messages_len; place++)
		sml_message_write(file->messages[place], output);
	fwrite(output->buffer, 1, output->cursor, stdout);
	sml_buffer_free(output);
	sml_file_free(file);
	return 0;
}
