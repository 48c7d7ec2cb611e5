#include "CCurl.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

CURLcode port77_set_long(CURL *easy, CURLoption option, long value) { return curl_easy_setopt(easy, option, value); }
CURLcode port77_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}
CURLcode port77_set_text(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}
CURLcode port77_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}
CURLcode port77_set_octets(CURL *easy, CURLoption option, const void *octets, size_t count) {
    struct curl_blob blob = {.data = (void *)octets, .len = count, .flags = CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, &blob);
}
CURLcode port77_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}
CURLcode port77_set_data_callback(CURL *easy, CURLoption option, port77_data_callback value) {
    return curl_easy_setopt(easy, option, value);
}
CURLcode port77_get_long(CURL *easy, CURLINFO info, long *value) { return curl_easy_getinfo(easy, info, value); }
CURLcode port77_get_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(easy, info, value);
}
CURLcode port77_get_text(CURL *easy, CURLINFO info, const char **value) {
    return curl_easy_getinfo(easy, info, value);
}
CURLcode port77_get_pointer(CURL *easy, CURLINFO info, void **value) { return curl_easy_getinfo(easy, info, value); }
CURLMcode port77_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
CURLMcode port77_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
    return curl_multi_setopt(multi, option, value);
}
CURLMcode port77_multi_set_socket_callback(CURLM *multi, port77_socket_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, value);
}
CURLMcode port77_multi_set_timer_callback(CURLM *multi, port77_timer_callback value) {
    return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, value);
}

CURL *port77_multi_next_finished(CURLM *multi, CURLcode *result) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            *result = message->data.result;
            return message->easy_handle;
        }
    }
    return NULL;
}

// The address filter. The rows are those of api/webhooks.md, section 5.2.

#define V4(a, b, c, d, bits) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + bits}

static const struct port77_network forbidden_v4[] = {
    V4(0, 0, 0, 0, 8),         // this network
    V4(10, 0, 0, 0, 8),        // private
    V4(100, 64, 0, 0, 10),     // carrier NAT, some clouds' metadata
    V4(127, 0, 0, 0, 8),       // loopback
    V4(168, 63, 129, 16, 32),  // one cloud's internal endpoint, public-looking
    V4(169, 254, 0, 0, 16),    // link-local, metadata
    V4(172, 16, 0, 0, 12),     // private
    V4(192, 0, 0, 0, 24),      // protocol assignments, metadata at one cloud
    V4(192, 0, 2, 0, 24),      // documentation
    V4(192, 31, 196, 0, 24),   // AS112
    V4(192, 52, 193, 0, 24),   // AMT
    V4(192, 88, 99, 0, 24),    // 6to4 relay
    V4(192, 168, 0, 0, 16),    // private
    V4(192, 175, 48, 0, 24),   // AS112
    V4(198, 18, 0, 0, 15),     // benchmarking
    V4(198, 51, 100, 0, 24),   // documentation
    V4(203, 0, 113, 0, 24),    // documentation
    V4(224, 0, 0, 0, 4),       // multicast
    V4(240, 0, 0, 0, 4),       // reserved, broadcast
};

// Within 2000::/3; whatever lies outside is forbidden anyway (unspecified, loopback, v4-compatible, NAT64, discard,
// segment routing, unique local, link- and site-local, multicast).
static const struct port77_network global_v6 = {{0x20}, 3};
static const struct port77_network forbidden_v6[] = {
    {{0x20, 0x01}, 23},              // Teredo, ORCHID, benchmarking
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02}, 16},              // 6to4
    {{0x3f, 0xff}, 20},              // documentation
};
static const struct port77_network mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};

int port77_network_contains(const struct port77_network *network, const uint8_t address[16]) {
    int bits = network->bits < 0 ? 0 : network->bits > 128 ? 128 : network->bits;
    int whole = bits / 8, rest = bits % 8;
    if (memcmp(network->octets, address, (size_t)whole) != 0) return 0;
    if (rest == 0) return 1;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (network->octets[whole] & mask) == (address[whole] & mask);
}

static int in_any(const struct port77_network *networks, size_t count, const uint8_t address[16]) {
    for (size_t at = 0; at < count; at++)
        if (port77_network_contains(&networks[at], address)) return 1;
    return 0;
}

int port77_is_forbidden(const struct port77_filter *filter, const uint8_t address[16]) {
    if (filter != NULL) {
        if (in_any(filter->denied, filter->denied_count, address)) return 1;
        if (in_any(filter->allowed, filter->allowed_count, address)) return 0;
    }
    if (port77_network_contains(&mapped, address))
        return in_any(forbidden_v4, sizeof forbidden_v4 / sizeof forbidden_v4[0], address);
    if (!port77_network_contains(&global_v6, address)) return 1;
    return in_any(forbidden_v6, sizeof forbidden_v6 / sizeof forbidden_v6[0], address);
}

// Octets of a socket address; 0 when it is neither IPv4 nor IPv6.
static int octets_of(const struct sockaddr *address, size_t length, uint8_t octets[16]) {
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        memcpy(octets, mapped.octets, 12);
        memcpy(octets + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return 1;
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        memcpy(octets, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return 1;
    }
    return 0;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct port77_barrier *barrier = context;
    uint8_t octets[16];
    if (purpose != CURLSOCKTYPE_IPCXN || !octets_of(&address->addr, address->addrlen, octets) ||
        port77_is_forbidden(barrier->filter, octets)) {
        barrier->blocked = 1;
        return CURL_SOCKET_BAD;
    }
    barrier->opened++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Asked here, while the transfer has its connection: at its end the connection may have gone.
static void note_session(struct port77_barrier *barrier) {
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(barrier->easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL) return;
    if (session->backend != CURLSSLBACKEND_OPENSSL || session->internals == NULL) return;
    barrier->tls_version = SSL_version(session->internals);
    barrier->verify_result = SSL_get_verify_result(session->internals);
}

static int before_request(void *context, char *peer, char *local, int peer_port, int local_port) {
    struct port77_barrier *barrier = context;
    uint8_t octets[16];
    (void)local;
    (void)peer_port;
    (void)local_port;
    memcpy(octets, mapped.octets, 12);
    if (inet_pton(AF_INET, peer, octets + 12) != 1 && inet_pton(AF_INET6, peer, octets) != 1) {
        barrier->blocked = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    if (port77_is_forbidden(barrier->filter, octets)) {
        barrier->blocked = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    barrier->passed = 1;
    note_session(barrier);
    return CURL_PREREQFUNC_OK;
}

CURLcode port77_set_barrier(CURL *easy, struct port77_barrier *barrier) {
    barrier->easy = easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, barrier);
    if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_PREREQDATA, barrier);
    return code;
}

static int is_known(uint8_t (*addresses)[16], int count) {
    for (int at = 0; at < count; at++)
        if (memcmp(addresses[at], addresses[count], 16) == 0) return 1;
    return 0;
}

int port77_own_addresses(uint8_t (*addresses)[16], int capacity) {
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0) return 0;
    int count = 0;
    for (struct ifaddrs *entry = list; entry != NULL && count < capacity; entry = entry->ifa_next) {
        const struct sockaddr *address = entry->ifa_addr;
        if (address == NULL) continue;
        size_t length = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        if (octets_of(address, length, addresses[count]) && !is_known(addresses, count)) count++;
    }
    freeifaddrs(list);
    return count;
}

int port77_resolve(const char *name, uint8_t (*addresses)[16], int capacity) {
    struct addrinfo hints = {0}, *list = NULL;
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    int failure = getaddrinfo(name, NULL, &hints, &list);
    if (failure != 0) return failure < 0 ? failure : -failure;
    int count = 0;
    for (struct addrinfo *entry = list; entry != NULL && count < capacity; entry = entry->ai_next) {
        if (octets_of(entry->ai_addr, entry->ai_addrlen, addresses[count]) && !is_known(addresses, count)) count++;
    }
    freeaddrinfo(list);
    return count;
}
