// libcurl for Swift: typed forms of its variadic functions, and the address filter, which must read a sockaddr through
// its pointer (the structure that libcurl declares is too short for IPv6) and therefore lives here.
#pragma once
#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

// Addresses are 16 octets; IPv4 lies in ::ffff:0:0/96, so an address mapped into IPv6 is the IPv4 address it stands for.

struct port77_network {
    uint8_t octets[16];
    int bits;
};

/// What a deployment adds to the fixed table. `denied` wins over `allowed`, `allowed` over the table.
struct port77_filter {
    struct port77_network *allowed;
    size_t allowed_count;
    struct port77_network *denied;
    size_t denied_count;
};

/// Whether no connection may be made to this address.
int port77_is_forbidden(const struct port77_filter *filter, const uint8_t address[16]);

int port77_network_contains(const struct port77_network *network, const uint8_t address[16]);

/// What the two callbacks know of a transfer, and what they saw.
struct port77_barrier {
    const struct port77_filter *filter;
    /// An address was refused: before the connect, or on a connection taken from the cache.
    int blocked;
    /// Sockets opened for this transfer.
    int opened;
    /// The request may go out: the peer's address was looked at again.
    int passed;
    /// Of the connection that it goes out on: as TLS numbers itself, 0 in the clear; and what became of the peer's certificate.
    int tls_version;
    long verify_result;
    CURL *easy;
};

/// Puts both barriers on a handle: the filter before each connect, and once more before each request.
CURLcode port77_set_barrier(CURL *easy, struct port77_barrier *barrier);

/// All addresses of a name by getaddrinfo, in its order, without repetition.
/// Returns how many there are (at most `capacity`), or minus the number that getaddrinfo gave.
int port77_resolve(const char *name, uint8_t (*addresses)[16], int capacity);

/// The addresses of this machine's interfaces, at most `capacity` of them. Returns how many.
int port77_own_addresses(uint8_t (*addresses)[16], int capacity);

typedef size_t (*port77_data_callback)(char *, size_t, size_t, void *);
typedef int (*port77_socket_callback)(CURL *, curl_socket_t, int, void *, void *);
typedef int (*port77_timer_callback)(CURLM *, long, void *);

CURLcode port77_set_long(CURL *easy, CURLoption option, long value);
CURLcode port77_set_offset(CURL *easy, CURLoption option, curl_off_t value);
CURLcode port77_set_text(CURL *easy, CURLoption option, const char *value);
CURLcode port77_set_pointer(CURL *easy, CURLoption option, void *value);
/// libcurl keeps a copy of the octets.
CURLcode port77_set_octets(CURL *easy, CURLoption option, const void *octets, size_t count);
CURLcode port77_set_list(CURL *easy, CURLoption option, struct curl_slist *value);
CURLcode port77_set_data_callback(CURL *easy, CURLoption option, port77_data_callback value);
CURLcode port77_get_long(CURL *easy, CURLINFO info, long *value);
CURLcode port77_get_offset(CURL *easy, CURLINFO info, curl_off_t *value);
CURLcode port77_get_text(CURL *easy, CURLINFO info, const char **value);
CURLcode port77_get_pointer(CURL *easy, CURLINFO info, void **value);
CURLMcode port77_multi_set_long(CURLM *multi, CURLMoption option, long value);
CURLMcode port77_multi_set_pointer(CURLM *multi, CURLMoption option, void *value);
CURLMcode port77_multi_set_socket_callback(CURLM *multi, port77_socket_callback value);
CURLMcode port77_multi_set_timer_callback(CURLM *multi, port77_timer_callback value);

/// The next finished transfer, or NULL.
CURL *port77_multi_next_finished(CURLM *multi, CURLcode *result);
