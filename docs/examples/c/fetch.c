#include "fetch.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 10 }; /* seconds for one answer */

struct module {
    int port;
    char buffer[8192];
    size_t held;
    char *reply;
    size_t room, received;
    int closed;
};

int module_open(const char *path)
{
    struct termios mode;
    int port = open(path, O_RDWR | O_NOCTTY);
    if (port < 0)
        return -1;
    if (tcgetattr(port, &mode) == 0) {
        cfmakeraw(&mode);
        cfsetspeed(&mode, B115200);
        mode.c_cflag |= CLOCAL | CREAD;
        if (tcsetattr(port, TCSANOW, &mode) == 0 && tcflush(port, TCIOFLUSH) == 0)
            return port;
    }
    close(port);
    return -1;
}

static int put(int port, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t count = write(port, text, left);
        if (count < 0)
            return FETCH_SILENT;
        text += count;
        left -= (size_t)count;
    }
    return 0;
}

static void drop(struct module *module, size_t count)
{
    module->held -= count;
    memmove(module->buffer, module->buffer + count, module->held);
}

/* Takes one token from the buffer: 1 a line (or the prompt), 2 payload, 0 not complete yet. */
static int take(struct module *module, char *line, size_t longest)
{
    char *buffer = module->buffer;
    buffer[module->held] = '\0';
    if (strncmp(buffer, "+IPD,", 5) == 0) {
        char *colon;
        unsigned long count = strtoul(buffer + 5, &colon, 10);
        if (*colon == ':') {
            size_t head = (size_t)(colon + 1 - buffer), here = module->held - head;
            if (count > module->room - module->received)
                return FETCH_TOO_LONG;
            if (here > count)
                here = count;
            memcpy(module->reply + module->received, colon + 1, here);
            module->received += here;
            drop(module, head + here);
            if (here < count) { /* the rest of the frame is still to come: say so again */
                char rest[32];
                int size = snprintf(rest, sizeof rest, "+IPD,%lu:", count - here);
                memcpy(module->buffer, rest, (size_t)size);
                module->held = (size_t)size;
                return 0;
            }
            return 2;
        }
    }
    if (buffer[0] == '>') {
        drop(module, module->held > 1 && buffer[1] == ' ' ? 2 : 1);
        snprintf(line, longest, ">");
        return 1;
    }
    char *end = strstr(buffer, "\r\n");
    if (end == NULL)
        return 0;
    snprintf(line, longest, "%.*s", (int)(end - buffer), buffer);
    drop(module, (size_t)(end + 2 - buffer));
    if (strcmp(line, "CLOSED") == 0)
        module->closed = 1; /* may come before SEND OK */
    return 1;
}

/* Reads up to the line `wanted`; NULL: up to the end of the connection. */
static int wait_for(struct module *module, const char *wanted)
{
    char line[256];
    time_t deadline = time(NULL) + PATIENCE;
    while (wanted != NULL || !module->closed) {
        int got = take(module, line, sizeof line);
        if (got < 0)
            return got;
        if (got == 1 && wanted != NULL && strcmp(line, wanted) == 0)
            return 0;
        if (got == 1 && (strcmp(line, "ERROR") == 0 || strcmp(line, "FAIL") == 0 ||
                         strcmp(line, "SEND FAIL") == 0))
            return FETCH_REFUSED;
        if (got == 1 && strcmp(line, "ready") == 0)
            return FETCH_RESTARTED;
        if (got > 0)
            continue;
        struct pollfd ready = {.fd = module->port, .events = POLLIN};
        size_t space = sizeof module->buffer - 1 - module->held;
        if (time(NULL) > deadline || space == 0)
            return FETCH_SILENT;
        if (poll(&ready, 1, 100) > 0) {
            ssize_t count = read(module->port, module->buffer + module->held, space);
            if (count <= 0)
                return FETCH_SILENT;
            module->held += (size_t)count;
        }
    }
    return 0;
}

static int command(struct module *module, const char *text, const char *wanted)
{
    int failed = put(module->port, text);
    if (failed == 0)
        failed = put(module->port, "\r\n");
    return failed ? failed : wait_for(module, wanted);
}

long fetch(int port, const char *host, int tcp_port, const char *request,
           char *reply, size_t room)
{
    struct module module = {.port = port, .reply = reply, .room = room};
    char start[160], send[40];
    int failed;

    snprintf(start, sizeof start, "AT+CIPSTART=\"TCP\",\"%s\",%d", host, tcp_port);
    snprintf(send, sizeof send, "AT+CIPSEND=%zu", strlen(request));
    if ((failed = command(&module, "ATE0", "OK")) ||
        (failed = command(&module, "AT+CWMODE=1", "OK")) ||
        (failed = command(&module, "AT+CWJAP=\"lab\",\"secret99\"", "OK")) ||
        (failed = command(&module, start, "OK")) ||
        (failed = command(&module, send, "OK")) ||
        (failed = wait_for(&module, ">")) ||
        (failed = put(port, request)) ||
        (failed = wait_for(&module, "SEND OK")) ||
        (failed = wait_for(&module, NULL)))
        return failed;
    return (long)module.received;
}
