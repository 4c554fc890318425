/*
 * A program for a Linux guest that says what the kernel counts of its interrupts, for
 * tests/runs/views.sh: it idles, computes and prints, then reads /proc/interrupts; 20 times. Before
 * and after each reading it writes to port 0x80, where nothing is: these are VM exits, so the trace
 * shows between which of its interrupts a reading was taken.
 *
 *   COUNTS N LOC TTYS0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

enum { MARK_PORT = 0x80, READINGS = 20, BUSY = 3000000 };

static char texts[READINGS][16384];

static void take(unsigned n)
{
    int file = open("/proc/interrupts", O_RDONLY);
    outl(n, MARK_PORT);
    ssize_t length = read(file, texts[n], sizeof(texts[n]) - 1);
    outl(n, MARK_PORT);
    texts[n][length < 0 ? 0 : length] = 0;
    close(file);
}

/* The first number of the line that begins with the label, or that ends with it. */
static unsigned long count_of(const char *text, const char *label)
{
    const char *at = strstr(text, label), *colon;
    while (at && at > text && at[-1] != '\n')
        at--;
    colon = at ? strchr(at, ':') : NULL;
    return colon ? strtoul(colon + 1, NULL, 10) : 0;
}

int main(void)
{
    if (iopl(3)) {
        perror("iopl");
        return 1;
    }
    for (unsigned n = 0; n < READINGS; n++) {
        printf("reading %u\n", n);
        fflush(stdout);
        usleep(7000);
        for (volatile unsigned turn = 0; turn < BUSY; turn++)
            ;
        take(n);
    }
    for (unsigned n = 0; n < READINGS; n++)
        printf("COUNTS %u %lu %lu\n", n, count_of(texts[n], "LOC:"), count_of(texts[n], "ttyS0"));
    return 0;
}
