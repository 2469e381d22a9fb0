/* What the process that runs lwIP needs beyond lwIP's own socket calls: an interface made of one
 * descriptor of raw IP packets, a notice when something about a socket has changed, and a few
 * things that the calls do not offer (abort, "is anything unsent", sending again).
 *
 * Written against Debian's liblwip-dev 2.1.3. That build's packet pool is inconsistent (its buffers
 * are shorter than pbuf_alloc believes), so that every packet is put in a PBUF_RAM buffer.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lwip/api.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/sockets_priv.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sockets.h>
#include <lwip/sys.h>
#include <lwip/tcpip.h>

#define LONGEST 65535 /* bytes of an IP packet */
#define MARKS 65536   /* socket numbers that notices are kept for */

static struct netif netif_;
static int packets_ = -1, notices_ = -1;
static volatile int full_; /* the carrier takes no packet now */

/* -- packets ------------------------------------------------------------------------------------ */

static err_t output(struct pbuf *packet) {
  static unsigned char whole[LONGEST]; /* the core lock is held */
  const void *bytes = packet->payload;
  if (packet->tot_len != packet->len) {
    pbuf_copy_partial(packet, whole, packet->tot_len, 0);
    bytes = whole;
  }
  if (send(packets_, bytes, packet->tot_len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
    return ERR_OK;
  if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
    full_ = 1;
    return ERR_MEM;
  }
  return ERR_IF;
}

static err_t output4(struct netif *netif, struct pbuf *packet, const ip4_addr_t *to) {
  (void)netif, (void)to;
  return output(packet);
}

static err_t output6(struct netif *netif, struct pbuf *packet, const ip6_addr_t *to) {
  (void)netif, (void)to;
  return output(packet);
}

/* Whether this is a packet of a protocol that is used here. Others (UDP-Lite, which is in the build)
 * are no use to anybody, and what comes from the network can make lwIP's code for them abort. */
static int wanted(const unsigned char *bytes, size_t length) {
  if (length < 20)
    return 0;
  if (bytes[0] >> 4 == 4)
    return bytes[9] == IP_PROTO_ICMP || bytes[9] == IP_PROTO_IGMP || bytes[9] == IP_PROTO_TCP ||
           bytes[9] == IP_PROTO_UDP;
  if (bytes[0] >> 4 != 6 || length < 40)
    return 0;
  unsigned next = bytes[6];
  size_t at = 40;
  for (;;) {
    switch (next) {
    case IP6_NEXTH_TCP:
    case IP6_NEXTH_UDP:
    case IP6_NEXTH_ICMP6:
    case IP6_NEXTH_NONE:
      return 1;
    case IP6_NEXTH_FRAGMENT: /* what it is part of is named in each */
      if (at + 8 > length)
        return 0;
      next = bytes[at];
      at += 8;
      break;
    case IP6_NEXTH_HOPBYHOP:
    case IP6_NEXTH_ROUTING:
    case IP6_NEXTH_DESTOPTS:
      if (at + 8 > length)
        return 0;
      next = bytes[at];
      at += 8 * (bytes[at + 1] + 1u);
      break;
    default:
      return 0;
    }
  }
}

/* Hand up to `most` packets to lwIP; how many there were, -1 when the carrier has gone. */
int lw_feed(int most) {
  static unsigned char bytes[LONGEST + 1];
  int count;
  for (count = 0; count < most; count++) {
    ssize_t length = recv(packets_, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0)
      return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? count : -1;
    if (length == 0) { /* the end, or an empty packet */
      struct pollfd ended = {packets_, POLLIN, 0};
      int waiting = 0;
      poll(&ended, 1, 0);
      ioctl(packets_, FIONREAD, &waiting);
      if (ended.revents & (POLLHUP | POLLERR) && waiting == 0)
        return -1;
      continue;
    }
    if (length > LONGEST || !wanted(bytes, (size_t)length))
      continue;
    LOCK_TCPIP_CORE();
    struct pbuf *packet = pbuf_alloc(PBUF_LINK, (u16_t)length, PBUF_RAM);
    if (packet != NULL) {
      memcpy(packet->payload, bytes, (size_t)length);
      if (ip_input(packet, &netif_) != ERR_OK)
        pbuf_free(packet);
    }
    UNLOCK_TCPIP_CORE();
  }
  return count;
}

int lw_full(void) { return full_; }

/* The carrier takes packets again: streams that stand still go on. */
void lw_resume(void) {
  struct tcp_pcb *each;
  full_ = 0;
  LOCK_TCPIP_CORE();
  for (each = tcp_active_pcbs; each != NULL && !full_; each = each->next)
    if (each->unsent != NULL)
      tcp_output(each);
  UNLOCK_TCPIP_CORE();
}

/* -- the interface ------------------------------------------------------------------------------ */

static err_t prepare(struct netif *netif) {
  netif->name[0] = 'i';
  netif->name[1] = 'p';
  netif->output = output4;
  netif->output_ip6 = output6;
  netif->flags |= NETIF_FLAG_IGMP;
  return ERR_OK;
}

static void ready(void *semaphore) { sys_sem_signal(semaphore); }

/* Start lwIP on a descriptor; notices make `notices` (an eventfd) readable. Once in a process. */
int lw_start(int packets, int notices, int mtu, unsigned seed) {
  sys_sem_t started;
  srand(seed); /* lwIP's LWIP_RAND */
  packets_ = packets;
  notices_ = notices;
  if (sys_sem_new(&started, 0) != ERR_OK)
    return -1;
  tcpip_init(ready, &started);
  sys_arch_sem_wait(&started, 0);
  sys_sem_free(&started);
  LOCK_TCPIP_CORE();
  struct netif *added = netif_add_noaddr(&netif_, NULL, prepare, ip_input);
  netif_.mtu = (u16_t)mtu;
  netif_.mtu6 = (u16_t)mtu;
  UNLOCK_TCPIP_CORE();
  return added == NULL ? -1 : 0;
}

void lw_address4(const unsigned char *own, const unsigned char *mask, const unsigned char *gateway) {
  ip4_addr_t ip, net, gw;
  memcpy(&ip, own, 4);
  memcpy(&net, mask, 4);
  memcpy(&gw, gateway, 4);
  LOCK_TCPIP_CORE();
  netif_set_addr(&netif_, &ip, &net, &gw);
  UNLOCK_TCPIP_CORE();
}

/* 0, or -1 when there is no room for another one. */
int lw_address6(const unsigned char *own) {
  ip6_addr_t ip;
  s8_t place = 0;
  err_t failed = ERR_OK;
  memset(&ip, 0, sizeof ip);
  memcpy(ip.addr, own, 16);
  ip6_addr_assign_zone(&ip, IP6_UNICAST, &netif_);
  LOCK_TCPIP_CORE();
  if (ip6_addr_islinklocal(&ip))
    netif_ip6_addr_set(&netif_, 0, &ip);
  else
    failed = netif_add_ip6_address(&netif_, &ip, &place);
  if (failed == ERR_OK)
    netif_ip6_addr_set_state(&netif_, place, IP6_ADDR_PREFERRED);
  UNLOCK_TCPIP_CORE();
  return failed == ERR_OK ? 0 : -1;
}

/* Let packets flow; `autoconfigure`: ask for a router and take the address it gives (SLAAC). */
void lw_up(int autoconfigure) {
  LOCK_TCPIP_CORE();
  netif_.ip6_autoconfig_enabled = autoconfigure ? 1 : 0;
  netif_set_default(&netif_);
  netif_set_link_up(&netif_);
  netif_set_up(&netif_);
  UNLOCK_TCPIP_CORE();
}

/* Own addresses that are in use: 17 bytes each, 4 or 6 and the address; how many. */
int lw_addresses(unsigned char *into, int most) {
  int count = 0, i;
  LOCK_TCPIP_CORE();
  if (count < most && !ip4_addr_isany(netif_ip4_addr(&netif_))) {
    into[0] = 4;
    memcpy(into + 1, netif_ip4_addr(&netif_), 4);
    count++;
  }
  for (i = 0; i < LWIP_IPV6_NUM_ADDRESSES && count < most; i++)
    if (ip6_addr_isvalid(netif_ip6_addr_state(&netif_, i))) {
      into[17 * count] = 6;
      memcpy(into + 17 * count + 1, netif_ip6_addr(&netif_, i)->addr, 16);
      count++;
    }
  UNLOCK_TCPIP_CORE();
  return count;
}

/* -- notices ------------------------------------------------------------------------------------ */

static pthread_mutex_t marking_ = PTHREAD_MUTEX_INITIALIZER;
static unsigned char marked_[MARKS];
static int order_[MARKS], marks_;
static netconn_callback of_sockets_; /* lwIP's own, which its calls rely on */
static tcp_accept_fn of_listeners_;

static void mark(int socket) {
  static const unsigned long long one = 1;
  if (socket < 0 || socket >= MARKS)
    return;
  pthread_mutex_lock(&marking_);
  if (!marked_[socket]) {
    marked_[socket] = 1;
    order_[marks_++] = socket;
    if (write(notices_, &one, sizeof one) < 0)
      (void)errno; /* an eventfd that is full is readable */
  }
  pthread_mutex_unlock(&marking_);
}

static void changed(struct netconn *conn, enum netconn_evt event, u16_t length) {
  of_sockets_(conn, event, length);
  if (event != NETCONN_EVT_RCVMINUS && event != NETCONN_EVT_SENDMINUS) /* what the call itself did */
    mark(conn->socket);
}

static err_t arrived(void *arg, struct tcp_pcb *fresh, err_t error) {
  err_t outcome = of_listeners_(arg, fresh, error);
  if (arg != NULL)
    mark(((struct netconn *)arg)->socket);
  return outcome;
}

/* From now on what happens to this socket is told. */
void lw_watch(int socket) {
  struct lwip_sock *found = lwip_socket_dbg_get_socket(socket);
  if (found == NULL || found->conn == NULL)
    return;
  LOCK_TCPIP_CORE();
  if (found->conn->callback != changed) {
    of_sockets_ = found->conn->callback;
    found->conn->callback = changed;
  }
  UNLOCK_TCPIP_CORE();
}

/* The same for one that listens: its connections inherit the callback, and lwip_accept insists on
 * its own, so that the listener's is left alone and its accept function taken instead. */
void lw_watch_listener(int socket) {
  struct lwip_sock *found = lwip_socket_dbg_get_socket(socket);
  if (found == NULL || found->conn == NULL)
    return;
  LOCK_TCPIP_CORE();
  struct tcp_pcb_listen *listener = (struct tcp_pcb_listen *)found->conn->pcb.tcp;
  if (found->conn->callback == changed)
    found->conn->callback = of_sockets_;
  if (listener != NULL && listener->state == LISTEN && listener->accept != arrived) {
    of_listeners_ = listener->accept;
    listener->accept = arrived;
  }
  UNLOCK_TCPIP_CORE();
}

/* The sockets about which something has changed since the last call. */
int lw_changed(int *into, int most) {
  int count = 0;
  pthread_mutex_lock(&marking_);
  while (count < most && marks_ > 0) {
    into[count] = order_[--marks_];
    marked_[into[count++]] = 0;
  }
  pthread_mutex_unlock(&marking_);
  return count;
}

/* -- streams ------------------------------------------------------------------------------------ */

static struct tcp_pcb *stream(int socket) {
  struct lwip_sock *found = lwip_socket_dbg_get_socket(socket);
  if (found == NULL || found->conn == NULL ||
      NETCONNTYPE_GROUP(netconn_type(found->conn)) != NETCONN_TCP)
    return NULL;
  struct tcp_pcb *pcb = found->conn->pcb.tcp;
  return pcb == NULL || pcb->state == LISTEN ? NULL : pcb;
}

/* Whether the outcome of a connect is still to come. */
int lw_connecting(int socket) {
  LOCK_TCPIP_CORE();
  struct lwip_sock *found = lwip_socket_dbg_get_socket(socket);
  int pending = found != NULL && found->conn != NULL && found->conn->state == NETCONN_CONNECT;
  UNLOCK_TCPIP_CORE();
  return pending;
}

/* Reset the connection and throw away what was not sent; the socket is still to be closed. */
void lw_abort(int socket) {
  LOCK_TCPIP_CORE();
  struct tcp_pcb *pcb = stream(socket);
  if (pcb != NULL)
    tcp_abort(pcb);
  UNLOCK_TCPIP_CORE();
}

/* Whether something is not sent, or not acknowledged. */
int lw_unsettled(int socket) {
  LOCK_TCPIP_CORE();
  struct tcp_pcb *pcb = stream(socket);
  int found = pcb != NULL && (pcb->unsent != NULL || pcb->unacked != NULL);
  UNLOCK_TCPIP_CORE();
  return found;
}

/* The same of any stream, closed ones included. */
int lw_busy(void) {
  struct tcp_pcb *each;
  int found = 0;
  LOCK_TCPIP_CORE();
  for (each = tcp_active_pcbs; each != NULL && !found; each = each->next)
    found = each->unsent != NULL || each->unacked != NULL;
  UNLOCK_TCPIP_CORE();
  return found;
}
