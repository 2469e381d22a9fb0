/* A minimal module on a pty, exact where a benchmark needs it: when bytes pass on the line.
 *
 *     device [-b baud] [-l latency_us] [-r read_size] [-f frame] [-e each] [-i] esp|bg96
 *
 * esp speaks as ESP-AT v3.2 (ESP-AT User Guide, TCP/IP AT Commands), bg96 as Quectel's BG96 (TCP/IP
 * AT Commands Manual): what a bring-up and plain TCP need, no more. baud 0: no line at all, bytes
 * pass at once. A line follows AT+UART_CUR and AT+IPR behind their OK; from then on what the host
 * writes at another rate (that of the pty) is lost. latency: between the end of a command and the beginning of its answer. A link
 * opened to port 19 is a source (of `each` bytes, or endless), to port 9 a sink, to port 20 both at
 * once, to port 7 an echo.
 * What passes is the bytes 0 to 250 again and again: what the host sends is held against that.
 *
 * It says the pty's path on its first line, and when no link is open any more one line of JSON.
 * Total bytes count from the first opening. The window, in which time and turnarounds are taken,
 * reaches from the end of the first frame of payload to the end of the last: it holds whole rounds
 * of command, answer and payload and nothing of the opening. A turnaround is the host's: from just
 * before the device hands over its last byte (behind which the host has to move) to when the first
 * byte comes in; under load the host may have moved before the device runs again, so a stamp behind
 * the handing over would flatter. A figure taken here owes nothing to the scheduling of whoever
 * measures. `-i` forgoes watching without sleep for the host's move: for many devices at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINKS 12
#define QUEUE (1 << 20)     /* bytes that may wait for the line */
#define HELD (1 << 16)      /* bytes that a link holds for the host */
#define TURNS (1 << 20)
#define QUANTUM 1e-3        /* a USB adapter hands over what came in a millisecond */
#define PAUSE 0.5           /* seconds after the last command when a pushing source with CIPMUX=0 begins:
                               drivers for one link throw away what comes around their commands */
#define KEPT 1e-4           /* between two looks while watching: longer, and something else ran here */
#define SHY 0.05            /* for so long nothing is watched for then */
#define WINDOW 5760         /* what an ESP holds of a stream */

enum kind { CLOSED, PARKED, SOURCE, SINK, BOTH, BACK }; /* PARKED: a UDP service, open and silent */

static struct link {
    enum kind kind;
    int port;
    int announced;
    size_t held;
    unsigned char *data;
    unsigned long long down, up;
} links[LINKS];

static int esp, pushing, master, echo_on = 1, open_links, one_link;
static double byte_time, latency, spin = 3e-4; /* seconds that the next move is watched for */
static size_t read_most, send_most;
static int line_baud, next_baud, changed; /* 0: no line; a change behind what is being said; there was one */
static unsigned long long each;   /* bytes of a source, and of a sink when it is done; 0: no end */

/* -- time -------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

/* -- what was measured -------------------------------------------------------------------------- */

static double last_out;
static int owed;               /* the host has to move: the next byte read ends a turnaround */
static float turns[TURNS];
static int turn_count;

static struct {
    unsigned long long down, up;
} total, window, per_link[LINKS], first_done[LINKS];
static double window_from, window_to;
static int window_turns, frames, wrong, someone_done;

/* A frame of payload has passed whole. */
static void moved(int id, size_t down, size_t up, double at) {
    total.down += down, total.up += up;
    per_link[id].down += down, per_link[id].up += up;
    if (!frames++) {
        window_from = at;
        turn_count = 0;
    } else window.down += down, window.up += up;
    window_to = at;
    window_turns = turn_count;
    if (each && !someone_done && (per_link[id].down >= each || per_link[id].up >= each)) {
        someone_done = 1;
        memcpy(first_done, per_link, sizeof per_link);
    }
}

static void forget(void) {
    memset(&total, 0, sizeof total);
    memset(&window, 0, sizeof window);
    memset(per_link, 0, sizeof per_link);
    window_from = window_to = 0.0;
    window_turns = turn_count = frames = wrong = someone_done = 0;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(void) {
    double sum = 0.0;
    int n = window_turns;
    for (int i = 0; i < n; i++) sum += turns[i];
    qsort(turns, n, sizeof *turns, by_size);
    printf("{\"down\": %llu, \"up\": %llu, \"wrong\": %d, \"window\": [%llu, %llu, %.6f], "
           "\"turnarounds\": %d, \"sum_us\": %.0f, \"p10_us\": %.1f, \"median_us\": %.1f, \"p99_us\": %.1f, "
           "\"max_us\": %.1f, \"links\": [",
           total.down, total.up, wrong, window.down, window.up, window_to - window_from, n, sum,
           n ? turns[n / 10] : 0.0,
           n ? turns[n / 2] : 0.0, n ? turns[(int)(n * 0.99)] : 0.0, n ? turns[n - 1] : 0.0);
    for (int i = 0, some = 0; i < LINKS; i++)
        if (per_link[i].down || per_link[i].up)
            printf("%s[%d, %llu, %llu]", some++ ? ", " : "", i, per_link[i].down, per_link[i].up);
    printf("], \"when_first_done\": [");
    for (int i = 0, some = 0; someone_done && i < LINKS; i++)
        if (per_link[i].down || per_link[i].up)
            printf("%s[%d, %llu, %llu]", some++ ? ", " : "", i, first_done[i].down, first_done[i].up);
    printf("]}\n");
    fflush(stdout);
    forget();
}

/* -- the line to the host ------------------------------------------------------------------------ */

static unsigned char out[QUEUE];
static size_t out_from, out_to;
static double out_free;      /* when the line has carried everything queued before `out_from` */
static double out_due[QUEUE];/* when each queued byte has left */

static const struct { int baud; speed_t speed; } RATES[] = {
    {9600, B9600}, {115200, B115200}, {230400, B230400}, {460800, B460800}, {921600, B921600},
    {1000000, B1000000}, {1500000, B1500000}, {2000000, B2000000}, {3000000, B3000000},
};

/* Whether the host's rate is the line's. Not looked at before a change: a plain loop sets none. */
static int in_tune(void) {
    struct termios host;
    if (!changed || tcgetattr(master, &host)) return 1;
    speed_t speed = cfgetospeed(&host);
    for (size_t i = 0; i < sizeof RATES / sizeof *RATES; i++)
        if (RATES[i].baud == line_baud) return RATES[i].speed == speed;
    return 1;
}

/* From behind this answer on, on a line. */
static void change_rate(int baud) {
    if (line_baud && baud > 0) next_baud = baud;
}

static size_t room(void) { return QUEUE - (out_to - out_from); }

/* Bytes that may leave at `earliest` at the soonest. */
static void put(const void *data, size_t size, double earliest) {
    const unsigned char *from = data;
    if (size > room()) {
        fprintf(stderr, "device: the host does not read\n");
        exit(1);
    }
    if (out_free < earliest) out_free = earliest;
    for (size_t i = 0; i < size; i++) {
        out_free += byte_time;
        out[out_to % QUEUE] = from[i];
        out_due[out_to % QUEUE] = out_free;
        out_to++;
    }
}

static void say(double at, const char *form, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, form);
    int size = vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    put(text, size, at);
}

static void drain_out(void) {
    while (out_from < out_to) {
        double limit = now();
        size_t end = out_from, wrap = out_from + QUEUE - out_from % QUEUE;
        while (end < out_to && out_due[end % QUEUE] <= limit) end++;
        if (end == out_from) return;
        /* Not byte by byte: a millisecond's worth, or everything. */
        double span = out_due[(end - 1) % QUEUE] - out_due[out_from % QUEUE];
        if (byte_time && end < out_to && span < QUANTUM - byte_time) return;
        if (end > wrap) end = wrap;
        size_t part = end - out_from;
        ssize_t written = write(master, out + out_from % QUEUE, part);
        if (written < 0) {
            if (errno == EAGAIN) return;
            exit(0);
        }
        out_from += written;
        last_out = limit;
        if (out_from == out_to) {
            owed = 1;
            if (next_baud) {
                line_baud = next_baud, next_baud = 0;
                byte_time = 10.0 / line_baud;
                changed = 1;
            }
        }
        if ((size_t)written < part) return;
    }
}

/* -- payload ------------------------------------------------------------------------------------- */

static unsigned char pattern[HELD + 251];

static int gushes(struct link *link) { return link->kind == SOURCE || link->kind == BOTH; }

static size_t waiting(struct link *link) {
    if (!gushes(link)) return link->held;
    if (each && each - link->down < WINDOW) return each - link->down;
    return WINDOW;
}

static void announce(int id, double at) {
    struct link *link = &links[id];
    if (link->kind == CLOSED || link->announced || !waiting(link) || pushing) return;
    link->announced = 1;
    if (esp) say(at, "\r\n+IPD,%d,%zu\r\n", id, waiting(link));
    else say(at, "\r\n+QIURC: \"recv\",%d\r\n", id);
}

static void give(int id, size_t size) {
    struct link *link = &links[id];
    if (gushes(link)) put(pattern + link->down % 251, size, out_free);
    else {
        put(link->data, size, out_free);
        link->held -= size;
        memmove(link->data, link->data + size, link->held);
    }
    link->down += size;
    if (size) moved(id, size, 0, out_free);
}

static void read_link(int id, size_t size, double at) {
    struct link *link = &links[id];
    size_t has = waiting(link);
    if (size > read_most) size = read_most;
    if (size > has) size = has;
    link->announced = 0;
    if (esp) {
        if (!size) { say(at, "\r\nERROR\r\n"); return; }
        say(at, "+CIPRECVDATA:%zu,", size);
        give(id, size);
        say(at, "\r\nOK\r\n");
        announce(id, at);
    } else {
        say(at, "\r\n+QIRD: %zu\r\n", size);
        give(id, size);
        if (size) link->announced = 1;
        say(at, "\r\n\r\nOK\r\n");
    }
}

static int sending = -1;      /* the link whose payload comes in */
static size_t missing, announced_size;
static int long_send;
static double last_command;

/* Push mode: as long as the line has room for a frame, each source in turn. */
static void push(void) {
    static int next;
    if (!pushing || sending >= 0 || (one_link && now() - last_command < PAUSE)) return;
    for (int tried = 0; tried < LINKS && out_to - out_from < 16384;) {
        int id = next++ % LINKS;
        size_t has = links[id].kind == CLOSED ? 0 : waiting(&links[id]);
        if (!has) { tried++; continue; }
        tried = 0;
        if (has > 1460) has = 1460;
        double at = now();
        if (one_link) say(at, "\r\n+IPD,%zu:", has);
        else say(at, "\r\n+IPD,%d,%zu:", id, has);
        give(id, has);
    }
}

/* -- commands ------------------------------------------------------------------------------------ */


static void open_link(int id, int port, double at) {
    struct link *link = &links[id];
    link->kind = port == 19 ? SOURCE : port == 9 ? SINK : port == 20 ? BOTH : BACK;
    link->port = port;
    link->held = link->announced = 0;
    link->down = link->up = 0;
    if (!link->data) link->data = malloc(HELD);
    if (!open_links++) forget();
    if (esp && one_link) say(at, "CONNECT\r\n\r\nOK\r\n");
    else if (esp) say(at, "%d,CONNECT\r\n\r\nOK\r\n", id);
    else say(at, "\r\nOK\r\n\r\n+QIOPEN: %d,0\r\n", id);
    announce(id, at);
}

static void close_link(int id, double at) {
    if (links[id].kind == CLOSED) { say(at, esp ? "UNLINK\r\n\r\nERROR\r\n" : "\r\nOK\r\n"); return; }
    int stream = links[id].kind != PARKED;
    links[id].kind = CLOSED;
    if (esp && one_link) say(at, "CLOSED\r\n");
    else if (esp) say(at, "%d,CLOSED\r\n", id);
    say(at, "\r\nOK\r\n");
    if (stream && !--open_links) report();
}

static void begin_send(int id, size_t size, double at) {
    if (id < 0 || id >= LINKS || links[id].kind == CLOSED) { say(at, "\r\nERROR\r\n"); return; }
    if (!size && !esp) {
        say(at, "\r\n+QISEND: %llu,%llu,0\r\n\r\nOK\r\n", links[id].up, links[id].up);
        return;
    }
    if (!size || (size > send_most && !long_send)) { say(at, "\r\nERROR\r\n"); return; }
    sending = id;
    missing = announced_size = size;
    say(at, esp ? "\r\nOK\r\n\r\n>" : "\r\n> ");
}

static void sent(double at) {
    int id = sending;
    sending = -1;
    moved(id, 0, announced_size, at);
    at += latency;
    if (esp && !long_send) say(at, "\r\nRecv %zu bytes\r\n", announced_size);
    say(at, "\r\nSEND OK\r\n");
    long_send = 0;
    announce(id, at);
}

static void take(const unsigned char *data, size_t size) {
    struct link *link = &links[sending];
    if (memcmp(data, pattern + link->up % 251, size)) wrong++;
    link->up += size;
    if (link->kind == BACK && link->held + size <= HELD) {
        memcpy(link->data + link->held, data, size);
        link->held += size;
    }
}

static int begins(const char *line, const char *start) { return !strncmp(line, start, strlen(start)); }

/* With CIPMUX=0 no command names a link. True: it was one of those. */
static int one_link_command(const char *line, double at) {
    unsigned long size = 0;
    const char *comma;
    if (sscanf(line, "AT+CIPSEND=%lu", &size) == 1) begin_send(0, size, at);
    else if (begins(line, "AT+CIPCLOSE")) close_link(0, at);
    else if (begins(line, "AT+CIPSTART=\"TCP\",\"") && (comma = strstr(line + 19, "\",")))
        open_link(0, atoi(comma + 2), at);
    else return 0;
    return 1;
}

static void esp_command(const char *line, double at) {
    int id = 0, port = 0;
    unsigned long size = 0;
    const char *comma;
    if (one_link && one_link_command(line, at)) return;
    if (sscanf(line, "AT+CIPRECVDATA=%d,%lu", &id, &size) == 2 && id >= 0 && id < LINKS) {
        read_link(id, size, at);
        return;
    }
    if (sscanf(line, "AT+CIPSENDL=%d,%lu", &id, &size) == 2) { long_send = 1; begin_send(id, size, at); return; }
    if (sscanf(line, "AT+CIPSEND=%d,%lu", &id, &size) == 2) { begin_send(id, size, at); return; }
    if (sscanf(line, "AT+CIPCLOSE=%d", &id) == 1 && id >= 0 && id < LINKS) { close_link(id, at); return; }
    if (begins(line, "AT+CIPSTART=") && (comma = strstr(line, "\","))) {
        for (const char *more; (more = strstr(comma + 1, "\",")); ) comma = more;
        id = atoi(line + 12);
        port = atoi(comma + 2);
        if (id < 0 || id >= 5) say(at, "\r\nERROR\r\n");
        else open_link(id, port, at);
        return;
    }
    if (begins(line, "AT+UART_CUR=")) change_rate(atoi(line + 12));
    else if (begins(line, "AT+CIPRECVMODE=")) pushing = line[15] == '0';
    else if (begins(line, "AT+CIPSENDLCFG?") && send_most > 2048) say(at, "+CIPSENDLCFG:1024,2920\r\n"); /* v2.4: 8192 */
    else if (begins(line, "AT+CIPRECVTYPE?") || begins(line, "AT+CIPSENDLCFG?")) { say(at, "\r\nERROR\r\n"); return; }
    else if (begins(line, "AT+GMR"))
        say(at, "AT version:3.2.0.0(s-ec2dec2 - ESP32C3 - Jul 28 2023 07:05:28)\r\nSDK version:v5.0.2\r\n"
                "compile time(6118fc22):Jul 28 2023 09:47:28\r\nBin version:v3.2.0.0(MINI-1)\r\n");
    else if (begins(line, "AT+CWJAP?")) say(at, "+CWJAP:\"lab\",\"7c:8b:5b:62:16:38\",3,-65,0,0,0,0,0\r\n");
    else if (begins(line, "AT+CWJAP=")) say(at, "WIFI CONNECTED\r\nWIFI GOT IP\r\n");
    else if (begins(line, "AT+CIPSTA?"))
        say(at, "+CIPSTA:ip:\"192.0.2.9\"\r\n+CIPSTA:gateway:\"192.0.2.1\"\r\n+CIPSTA:netmask:\"255.255.255.0\"\r\n");
    else if (begins(line, "AT+CIPDOMAIN=")) say(at, "+CIPDOMAIN:\"192.0.2.1\"\r\n");
    else if (begins(line, "AT+CIPMUX?")) say(at, "+CIPMUX:%d\r\n", !one_link);
    else if (begins(line, "AT+CIPMUX=")) one_link = line[10] == '0';
    else if (begins(line, "AT+CWSTATE?")) say(at, "+CWSTATE:2,\"lab\"\r\n");
    else if (begins(line, "AT+CIPSTATE?")) {
        for (int i = 0; i < 5; i++)
            if (links[i].kind != CLOSED) say(at, "+CIPSTATE:%d,\"TCP\",\"192.0.2.1\",%d,50000,0\r\n", i, links[i].port);
    }
    else if (begins(line, "AT+CIPSTATUS")) {
        say(at, "STATUS:%d\r\n", open_links ? 3 : 2);
        for (int i = 0; i < 5; i++)
            if (links[i].kind != CLOSED) say(at, "+CIPSTATUS:%d,\"TCP\",\"192.0.2.1\",%d,50000,0\r\n", i, links[i].port);
    } else if (begins(line, "AT+CIPRECVLEN?")) {
        say(at, "+CIPRECVLEN:");
        for (int i = 0; i < 5; i++)
            say(at, "%s%d", i ? "," : "", links[i].kind == CLOSED ? -1 : (int)waiting(&links[i]));
        say(at, "\r\n");
    }
    say(at, "\r\nOK\r\n");
}

static void bg96_command(const char *line, double at) {
    int id = 0, size = 0, port = 0;
    const char *comma;
    if (sscanf(line, "AT+QIRD=%d,%d", &id, &size) == 2 && id >= 0 && id < LINKS) {
        if (links[id].kind == CLOSED) say(at, "\r\nERROR\r\n");
        else if (size) read_link(id, size, at);
        else say(at, "\r\n+QIRD: %llu,%llu,%zu\r\n\r\nOK\r\n", links[id].down + waiting(&links[id]),
                 links[id].down, waiting(&links[id]));
        return;
    }
    if (sscanf(line, "AT+QISEND=%d,%d", &id, &size) == 2) { begin_send(id, size, at); return; }
    if (sscanf(line, "AT+QICLOSE=%d", &id) == 1 && id >= 0 && id < LINKS) { close_link(id, at); return; }
    if (begins(line, "AT+QIOPEN=1,") && (comma = strstr(line, "\","))) {
        for (const char *more; (more = strstr(comma + 1, "\",")); ) comma = more;
        id = atoi(line + 12);
        port = atoi(comma + 2);
        if (id < 0 || id >= LINKS) say(at, "\r\nERROR\r\n");
        else if (strstr(line, "UDP")) {
            links[id].kind = PARKED;
            links[id].held = 0;
            say(at, "\r\nOK\r\n\r\n+QIOPEN: %d,0\r\n", id);
        }
        else open_link(id, port, at);
        return;
    }
    if (begins(line, "AT+IPR=")) change_rate(atoi(line + 7));
    else if (begins(line, "ATI")) say(at, "\r\nQuectel\r\nBG96\r\nRevision: BG96MAR02A07M1G\r\n");
    else if (begins(line, "AT+CFUN?")) say(at, "\r\n+CFUN: 1\r\n");
    else if (begins(line, "AT+CPIN?")) say(at, "\r\n+CPIN: READY\r\n");
    else if (begins(line, "AT+CEREG?")) say(at, "\r\n+CEREG: 2,1,\"271B\",\"3355B16\",8\r\n");
    else if (begins(line, "AT+QIACT?")) say(at, "\r\n+QIACT: 1,1,1,\"192.0.2.9\"\r\n");
    else if (begins(line, "AT+QURCCFG=\"urcport\"") && !line[20]) say(at, "\r\n+QURCCFG: \"urcport\",\"usbat\"\r\n");
    else if (begins(line, "AT+COPS?")) say(at, "\r\n+COPS: 0,0,\"Test Network\",8\r\n");
    else if (begins(line, "AT+QCSQ")) say(at, "\r\n+QCSQ: \"CAT-M1\",-53,-81,206,-11\r\n");
    else if (begins(line, "AT+QNWINFO")) say(at, "\r\n+QNWINFO: \"CAT-M1\",\"00101\",\"LTE BAND 20\",6300\r\n");
    else if (begins(line, "AT+QIDNSGIP=")) {
        say(at, "\r\nOK\r\n\r\n+QIURC: \"dnsgip\",0,1,600\r\n\r\n+QIURC: \"dnsgip\",\"192.0.2.1\"\r\n");
        return;
    } else if (begins(line, "AT+QISTATE") && strchr(line, '=')) {
        const char *last = strrchr(line, ',');
        id = last ? atoi(last + 1) : 0;
        if (id >= 0 && id < LINKS && links[id].kind != CLOSED)
            say(at, links[id].kind == PARKED
                ? "\r\n+QISTATE: %d,\"UDP SERVICE\",\"127.0.0.1\",%d,0,2,1,%d,0,\"usbmodem\"\r\n"
                : "\r\n+QISTATE: %d,\"TCP\",\"192.0.2.1\",%d,0,2,1,%d,0,\"usbmodem\"\r\n", id, links[id].port, id);
    }
    say(at, "\r\nOK\r\n");
}

/* -- the line from the host ----------------------------------------------------------------------- */

static char line[512];
static size_t line_size;
static int awaiting_lf;      /* a command of an ESP ends with CR and LF; it acts on the CR */
static double in_free;

static void took(const unsigned char *data, size_t size, double at) {
    if (owed) {
        if (turn_count < TURNS && open_links) turns[turn_count++] = (at - last_out) * 1e6;
        owed = 0;
    }
    if (!in_tune()) return;
    if (in_free < at) in_free = at;
    for (size_t i = 0; i < size;) {
        if (sending >= 0 && !(esp && awaiting_lf)) {
            size_t part = size - i < missing ? size - i : missing;
            take(data + i, part);
            in_free += part * byte_time;
            i += part;
            if (!(missing -= part)) sent(in_free);
            continue;
        }
        unsigned char c = data[i++];
        in_free += byte_time;
        awaiting_lf = 0;
        if (c == '\n') continue;
        if (c != '\r') {
            if (line_size < sizeof line - 1) line[line_size++] = c;
            continue;
        }
        line[line_size] = 0;
        if (line_size) {
            double reply = in_free + latency;
            last_command = in_free;
            if (echo_on) say(in_free, esp ? "%s\r\n" : "%s\r", line);
            if (begins(line, "ATE")) echo_on = line[3] == '1';
            if (esp) esp_command(line, reply);
            else bg96_command(line, reply);
        }
        line_size = 0;
        awaiting_lf = 1;
    }
}

int main(int count, char **argument) {
    static unsigned char buffer[65536];
    int slave;
    struct termios raw;
    char path[128];
    int baud = 0, option;
    while ((option = getopt(count, argument, "b:l:r:f:e:i")) != -1) {
        if (option == 'b') baud = atoi(optarg);
        else if (option == 'l') latency = atof(optarg) * 1e-6;
        else if (option == 'r') read_most = atol(optarg);
        else if (option == 'f') send_most = atol(optarg);
        else if (option == 'e') each = strtoull(optarg, NULL, 10);
        else if (option == 'i') spin = 0.0;
        else optind = count;
    }
    if (optind != count - 1 || (strcmp(argument[optind], "esp") && strcmp(argument[optind], "bg96"))) {
        fprintf(stderr, "usage: device [-b baud] [-l latency_us] [-r read_size] [-f frame] [-e each] [-i] esp|bg96\n");
        return 2;
    }
    esp = pushing = one_link = !strcmp(argument[optind], "esp"); /* CIPRECVMODE and CIPMUX after a reset */
    line_baud = baud > 0 ? baud : 0;
    byte_time = baud > 0 ? 10.0 / baud : 0.0;
    if (!read_most) read_most = esp ? 1460 : 1500;
    if (read_most > WINDOW) read_most = WINDOW;
    if (!send_most) send_most = esp ? 2048 : 1460;
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = i % 251;
    if (openpty(&master, &slave, path, NULL, NULL)) { perror("openpty"); return 1; }
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    fcntl(master, F_SETFL, O_NONBLOCK);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody is left who could stop it */
#endif
    printf("%s\n", path);
    fflush(stdout);
    /* Watching without sleep stamps exactly on an idle machine and takes from the host on a busy one:
       who was kept from looking for a while is not alone, and sleeps from then on for a moment. */
    double looked = 0.0, alone_from = 0.0;
    for (;;) {
        push();
        drain_out();
        struct pollfd watch = {master, POLLIN, 0};
        double at = now(), wake = -1.0;
        if (looked && at - looked > KEPT) alone_from = at + SHY;
        looked = 0.0;
        if (out_from < out_to) {
            if (!byte_time) {
                wake = out_due[out_from % QUEUE] - at;
                if (wake <= 0) { watch.events |= POLLOUT; wake = -1.0; }
                else if (spin) wake = wake < 60e-6 ? 0.0 : wake - 50e-6;
            } else {
                size_t last = out_to - out_from > (size_t)(QUANTUM / byte_time) + 1
                                  ? out_from + (size_t)(QUANTUM / byte_time) : out_to - 1;
                wake = out_due[last % QUEUE] - at;
                if (wake < 0) { watch.events |= POLLOUT; wake = 0.01; }
                else if (wake < 60e-6) wake = 0.0;
                else wake -= 50e-6;
            }
        } else if (owed && open_links && at - last_out < spin && at >= alone_from) {
            wake = 0.0;
            looked = at;
        }
        else if (open_links) wake = pushing && one_link ? 0.02 : 0.1;
        struct timespec limit = {(time_t)wake, (long)((wake - (time_t)wake) * 1e9)};
        if (ppoll(&watch, 1, wake < 0 ? NULL : &limit, NULL) < 0) { perror("ppoll"); return 1; }
        if (watch.revents & POLLIN) {
            at = now();
            ssize_t size = read(master, buffer, sizeof buffer);
            if (size > 0) took(buffer, size, at);
        } else if (watch.revents & POLLHUP) usleep(10000); /* nobody has the port open */
    }
}
