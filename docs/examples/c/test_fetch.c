/* The tests of fetch.c: the fake module is a program, its control socket steers it. */
#include "fetch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char REQUEST[] = "GET / HTTP/1.0\r\n\r\n";
#define FIVE(text) text text text text text
/* Text that looks like the module's own; as the far end sends it, and as JSON writes it. */
static const char PAGE[] = "HTTP/1.0 200 OK\r\n\r\n"
    FIVE(FIVE(FIVE("\r\nOK\r\nCLOSED\r\n+IPD,9:")));
static const char PAGE_AS_JSON[] = "HTTP/1.0 200 OK\\r\\n\\r\\n"
    FIVE(FIVE(FIVE("\\r\\nOK\\r\\nCLOSED\\r\\n+IPD,9:")));

static pid_t fake;
static char port_path[100], control_path[100];

static void check(int good, const char *what)
{
    printf("%s: %s\n", good ? "ok" : "FAILED", what);
    if (!good) {
        kill(fake, SIGTERM);
        exit(1);
    }
}

/* Starts `python -m fakes` and reads where its port and its control socket are. */
static void start_fake(void)
{
    const char *python = getenv("PYTHON") ? getenv("PYTHON") : "python3";
    char line[512];
    int output[2];
    if (pipe(output) != 0 || (fake = fork()) < 0)
        exit(2);
    if (fake == 0) {
        dup2(output[1], 1);
        close(output[0]);
        close(output[1]);
        execlp(python, python, "-m", "fakes", "esp32", "--firmware", "E24", "--ap",
               "lab:secret99", "--time-scale", "0", "--control", "./control", (char *)NULL);
        _exit(127);
    }
    close(output[1]);
    FILE *said = fdopen(output[0], "r");
    while (control_path[0] == '\0' && fgets(line, sizeof line, said) != NULL) {
        sscanf(line, "port: %99s", port_path);
        sscanf(line, "control: %99s", control_path);
    }
    check(control_path[0] != '\0', "the fake runs");
}

/* Sends one request to the control socket; whether the answer contains `expected`. */
static int steer(const char *request, const char *expected)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[4096] = "";
    size_t held = 0;
    ssize_t count;
    int control = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", control_path);
    if (connect(control, (struct sockaddr *)&address, sizeof address) != 0 ||
        write(control, request, strlen(request)) < 0 || write(control, "\n", 1) < 0)
        return 0;
    while (strchr(answer, '\n') == NULL && held < sizeof answer - 1 &&
           (count = read(control, answer + held, sizeof answer - 1 - held)) > 0)
        held += (size_t)count;
    close(control);
    return strncmp(answer, "{\"ok\": true", 11) == 0 && strstr(answer, expected) != NULL;
}

static long get(int tcp_port, char *reply, size_t room)
{
    int port = module_open(port_path);
    long got = fetch(port, "page.lan", tcp_port, REQUEST, reply, room);
    close(port);
    return got;
}

int main(void)
{
    char reply[8192], peers[8192];

    start_fake();
    snprintf(peers, sizeof peers,
             "{\"do\": \"world\", \"value\": {\"peers\": {\"page.lan:81\": \"refuse\","
             " \"page.lan:80\": {\"answer\": \"%s\", \"then\": \"close\"}}}}", PAGE_AS_JSON);
    check(steer(peers, ""), "two servers that exist in the fake alone");
    check(steer("{\"do\": \"chunk\", \"value\": \"random\"}", ""), "bytes that come in pieces");

    check(get(80, reply, sizeof reply) == (long)strlen(PAGE) &&
          memcmp(reply, PAGE, strlen(PAGE)) == 0, "a page that looks like the module");
    check(get(81, reply, sizeof reply) == FETCH_REFUSED, "nobody listens");
    check(steer("{\"do\": \"step\", \"value\": {\"on\": \"AT\\\\+CIPSEND=.*\","
                " \"reset\": true, \"times\": 1}}", ""), "a scenario step");
    check(get(80, reply, sizeof reply) == FETCH_RESTARTED, "a restart at the worst moment");
    check(get(80, reply, 10) == FETCH_TOO_LONG, "a page longer than the buffer");

    check(steer("{\"do\": \"journal\", \"kinds\": [\"unknown\", \"stray\", \"busy\", \"overlong\"]}",
                "\"records\": []"), "nothing that a real module would not have understood");
    kill(fake, SIGTERM);
    waitpid(fake, NULL, 0);
    return 0;
}
