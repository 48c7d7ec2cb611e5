#include <zlib.h>

/* deflateInit2 is a macro. windowBits: 15 zlib (PDF), -15 raw (ZIP), 31 gzip. */
static inline int port77_deflate_init(z_stream *stream, int level, int windowBits) {
    return deflateInit2(stream, level, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY);
}
