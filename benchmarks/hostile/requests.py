"""Requests that no client of ours makes: JSON and HTTP bent in every way, as bytes for a socket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

_DEEP = 50_000


@dataclass(frozen=True)
class Raw:
    """Bytes to send. ``broken``: no HTTP that must be answered, so that hanging up is an answer as well.

    pause: seconds to wait before the last byte.
    """

    family: str
    name: str
    content: bytes
    broken: bool = False
    pause: float = 0.0


def posted(path: str, body: bytes, kind: str = "application/json", *more: str, length: int | None = None) -> bytes:
    """A POST with its headers."""
    told = len(body) if length is None else length
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {told}", *more]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + body


def gotten(path: str, *more: str, method: str = "GET") -> bytes:
    """A request without a body."""
    head = [f"{method} {path} HTTP/1.1", "Host: x", *more, "Connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1")


def requests(item: str, image: str) -> Iterator[Raw]:
    """All of them. ``item``: a product's id; ``image``: the hash of its image."""
    for body in _bodies():
        for path in ("/v1/search", "/v1/search/batch", "/gradio_api/run/any"):
            yield Raw("JSON", f"{path} {body[:40]!r}", posted(path, body))
    for text in texts():
        for asked in ({"text": text}, {"item_id": text}, {"image": text}, {"text": "mug", "facets": [text]}):
            yield Raw("text", f"{asked}"[:60], posted("/v1/search", json.dumps(asked).encode()))
        clause = {"text": "mug", "filter": {"column": text, "in": [text]}}
        yield Raw("text", f"{clause}"[:60], posted("/v1/search", json.dumps(clause).encode()))
    yield from _addresses(item)
    yield from _headers(item, image)
    yield from _bent_http()
    yield from _forms()


def texts() -> list[str]:
    """Texts that break something somewhere."""
    return [
        "<script>alert(1)</script>", "'; DROP TABLE items; --", "%s%s%s%n%x {0} {0.__class__} ${7*7} {{7*7}}",
        "\0mug\0", "\ud800", "\udfff mug", "e\u0301\u0301" * 400, "\u202emug\u202c", "\U0001f9ff" * 900,
        "\ufdfa" * 1000,
        "mug " * 3000, "../../../etc/passwd", "file:///etc/passwd", "http://127.0.0.1/", "data:image/png;base64,",
        "data:" + "," * 5000, "\r\nSet-Cookie: a=b", "NaN", "-1", "\ufeff", "\x7f\x1b[31m", "A" * 1_000_000, "=" * 999,
    ]  # fmt: skip


def _bodies() -> Iterator[bytes]:
    yield from (b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"{}" * 99)
    yield b"[" * _DEEP + b"]" * _DEEP
    yield b'{"a":' * _DEEP + b"1" + b"}" * _DEEP
    for depth in (50, 400, 5000):
        inner = b'{"not":' * depth + b'{"column":"brand","in":["a"]}' + b"}" * depth
        yield b'{"text":"mug","filter":' + inner + b"}"
    yield b'{"text":"mug","filter":{"and":[' + b",".join([b'{"column":"price","lt":1}'] * 20_000) + b"]}}"
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"9" * 5000, b"1e-999", b"0.5", b"true"):
        yield b'{"text":"mug","top_k":' + number + b"}"
        yield b'{"text":"mug","offset":' + number + b"}"
        yield b'{"terms":[{"text":"mug","weight":' + number + b"}]}"
        yield b'{"text":"mug","filter":{"column":"price","gte":' + number + b"}}"
    yield b"{" + b",".join(b'"k%d":1' % key for key in range(100_000)) + b"}"
    yield b'{"text":"mug",' + b",".join([b'"text":"mug"'] * 50_000) + b"}"
    yield b'{"\\ud800":1,"text":"\\udc00"}'
    yield b'{"queries":[' + b",".join([b'{"text":"mug"}'] * 5000) + b"]}"
    yield b'{"terms":[' + b",".join([b'{"text":"mug"}'] * 5000) + b"]}"
    yield b'{"data":[],"fn_index":-1,"session_hash":"' + b"a" * 100_000 + b'"}'
    yield b'{"data":[' + b"[" * 900 + b"]" * 900 + b'],"fn_index":0,"session_hash":"a"}'
    yield b'{"session_hash":"a","fn_index":0,"event_id":"../x"}'


def _addresses(item: str) -> Iterator[Raw]:
    ids = [quote(text.encode("utf-8", "surrogatepass"), safe="") for text in texts() if len(text) < 20_000]
    ids += [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "../../etc/passwd",
        "..%5c..%5c",
        "%00",
        "%",
        "%zz",
        "%c0%ae",
    ]
    ids += [
        f"{item}%00",
        f"{item}%0d%0aX-Taken:%201",
        f"{item}/",
        f"{item}//image",
        "a" * 60_000,
        "%ff%fe",
        f"{item}/image/image",
    ]
    for one in ids:
        for path in (
            f"/v1/items/{one}",
            f"/v1/items/{one}/image",
            f"/gradio_api/file={one}",
            f"/static/{one}",
            f"/assets/{one}",
        ):
            yield Raw("address", path[:70], gotten(path))
        for query in (
            f"/?q={one}",
            f"/?like={one}",
            f"/v1/items/{item}/image?v={one}",
        ):
            yield Raw("address", query[:70], gotten(query, method="HEAD" if query[1] == "?" else "GET"))
    for path in (
        "//",
        "/..",
        "/%2e%2e/",
        "/.env",
        "/gradio_api",
        "/gradio_api/",
        "/v1",
        "/metrics",
        "*",
        "http://x/v1/release",
    ):
        yield Raw("address", path, gotten(path))
    closed = (
        "proxy=http://127.0.0.1/",
        "component_server",
        "run/words",
        "call/words",
        "process_recording",
        "dev/reload",
        "vibe-code",
    )
    for path in closed:
        yield Raw("Gradio's other routes", path, gotten(f"/gradio_api/{path}"))
        yield Raw("Gradio's other routes", path, posted(f"/gradio_api/{path}", b"{}"))


def _headers(item: str, image: str) -> Iterator[Raw]:
    path = f"/v1/items/{item}/image"
    for value in (
        "bytes=0-",
        "bytes=1-2-3",
        "bytes=-1",
        "bytes=9-1",
        "bytes=\xb2-\xb3",
        "x",
        "bytes=" + "0-0," * 5000,
        "bytes=0-" + "9" * 999,
    ):
        yield Raw("headers", f"Range: {value[:30]}", gotten(path, f"Range: {value}"))
        yield Raw("headers", f"Range: {value[:30]}", gotten("/assets/x.js", f"Range: {value}"))
    for value in ("*", '"', f'W/"{image}"', '"x", ' * 5000, "\xff\xfe", f'"{image}'):
        yield Raw("headers", f"If-None-Match: {value[:30]}", gotten(path, f"If-None-Match: {value}"))
    for header in (
        "Accept-Encoding: " + "gzip," * 9999,
        "Cookie: " + "a=b;" * 9000,
        "Accept: \xff",
        "Host: y",
        "X-Forwarded-Host: evil",
        "Origin: null",
    ):
        yield Raw("headers", header[:40], gotten("/v1/release", header), broken=True)
    yield Raw(
        "headers", "20 000 headers", gotten("/healthz", *(f"X-{number}: x" for number in range(20_000))), broken=True
    )
    yield Raw("headers", "a header of 20 MB", gotten("/healthz", "X: " + "x" * 20_000_000), broken=True)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "A" * 5000):
        for target in ("/v1/search", "/v1/release", "/", "/gradio_api/run/any", path):
            yield Raw("methods", f"{method[:9]} {target}", gotten(target, method=method), broken=len(method) > 9)


def _bent_http() -> Iterator[Raw]:
    body = b'{"text": "red mug"}'
    chunked = posted("/v1/search", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    yield Raw("HTTP", "chunked, no length", chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    yield Raw("HTTP", "a chunk of no size", chunked + b"zz\r\n", broken=True)
    yield Raw(
        "HTTP", "20 MB in chunks", chunked + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 320 + b"0\r\n\r\n", broken=True
    )
    yield Raw("HTTP", "body shorter than told", posted("/v1/search", body, length=9999), broken=True)
    yield Raw("HTTP", "body longer than told", posted("/v1/search", body, length=5), broken=True)
    yield Raw("HTTP", "two lengths", posted("/v1/search", body, "application/json", "Content-Length: 3"), broken=True)
    yield Raw("HTTP", "a length below zero", posted("/v1/search", body, length=-1), broken=True)
    yield Raw("HTTP", "a length of 10^30", posted("/v1/search", body, length=10**30), broken=True)
    yield Raw(
        "HTTP", "a length of 1 GB", posted("/v1/search/image", body, "multipart/form-data; boundary=a", length=10**9)
    )
    yield Raw(
        "HTTP",
        "length and chunks",
        posted("/v1/search", b"0\r\n\r\n", "application/json", "Transfer-Encoding: chunked"),
        broken=True,
    )
    yield Raw("HTTP", "slow body", posted("/v1/search", body), pause=1.5)
    yield Raw("HTTP", "HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n")
    yield Raw("HTTP", "HTTP/9.9", b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", broken=True)
    yield Raw("HTTP", "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), broken=True)
    yield Raw("HTTP", "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(99), broken=True)
    yield Raw("HTTP", "nothing but line ends", b"\r\n" * 5000, broken=True)
    yield Raw("HTTP", "expects 100", posted("/v1/search", body, "application/json", "Expect: 100-continue"))
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "",
        "application/json; charset=none-such",
        "\xff",
    ):
        yield Raw("HTTP", f"content type {kind!r}", posted("/v1/search", body, kind))


def _forms() -> Iterator[Raw]:
    part = b'--a\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\nx\r\n'
    names = (b"../../etc/passwd", b"a" * 20_000, b"\xff\xfe", b"x\0.png", b"", b"..", b"C:\\x", b"%2e%2e%2fx", b'a\\"b')
    for path, field in (("/v1/search/image", b"image"), ("/v1/classify", b"image"), ("/gradio_api/upload", b"files")):
        for name in names:
            body = part.replace(b"image", field) % name + b"--a--\r\n"
            yield Raw("forms", f"{path} file name {name[:20]!r}", posted(path, body, "multipart/form-data; boundary=a"))
        for kind in (
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a; charset=none",
        ):
            yield Raw("forms", f"{path} {kind}", posted(path, part % b"x" + b"--a--\r\n", kind))
        many = part.replace(b"image", field) % b"x" * 5000 + b"--a--\r\n"
        yield Raw("forms", f"{path} 5000 files", posted(path, many, "multipart/form-data; boundary=a"))
        value = b'--a\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n--a--\r\n' % field
        yield Raw("forms", f"{path} no file", posted(path, value, "multipart/form-data; boundary=a"))
        yield Raw("forms", f"{path} torn", posted(path, value[:30], "multipart/form-data; boundary=a"))
