"""Makes vectors.json with PyJWT and cryptography, which are not ours, and takes those of RFC 7515 and RFC 8037 from jwcrypto's
tests: `$(scripts/python-with vectors pyjwt cryptography jwcrypto) Tests/TokensTests/Corpus/make-vectors.py`.

Each row: what it shows, a token, and the name of the fault it must meet ("" for none). Times: now is 1,800,000,000.
"""
import base64
import hashlib
import hmac
import json
import os

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from jwcrypto import tests as rfc

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1_800_000_000


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public(key, kind, kid, **more):
    algorithm = {"RSA": jwt.algorithms.RSAAlgorithm, "EC": jwt.algorithms.ECAlgorithm,
                 "OKP": jwt.algorithms.OKPAlgorithm}[kind]
    return dict(json.loads(algorithm.to_jwk(key.public_key())), kid=kid, **more)


one, two, small = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))
curve, other_curve = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
edwards = ed25519.Ed25519PrivateKey.generate()
keys = [
    public(one, "RSA", "rsa-1", use="sig", alg="RS256"), public(curve, "EC", "ec-1"), public(edwards, "OKP", "ed-1"),
    # Left out: too short, another curve, for another use, a secret, another algorithm.
    public(small, "RSA", "rsa-small"), public(other_curve, "EC", "ec-384"), public(two, "RSA", "rsa-enc", use="enc"),
    {"kty": "oct", "kid": "shared", "k": b64(b"secret-secret-secret-secret-1234")},
    public(two, "RSA", "rsa-pss", alg="PS256"),
]
good = {"iss": "https://id.example/", "aud": "port77", "sub": "payroll", "scope": "jobs:submit openid jobs:read",
        "exp": NOW + 300, "nbf": NOW - 300, "iat": NOW - 300}
rows = []


def row(shows, fault, claims=None, key=one, algorithm="RS256", kid="rsa-1", **header):
    headers = dict(header, **({"kid": kid} if kid else {}))
    rows.append([shows, jwt.encode(good if claims is None else claims, key, algorithm, headers=headers), fault])


def changed(**more):
    return {name: value for name, value in dict(good, **more).items() if value is not None}


row("RS256", "")
row("ES256", "", key=curve, algorithm="ES256", kid="ec-1")
row("EdDSA", "", key=edwards, algorithm="EdDSA", kid="ed-1")
row("without kid, where one key fits", "", kid=None)
row("typ at+jwt", "", typ="at+jwt")
row("a list of audiences", "", changed(aud=["other", "port77"]))
row("keys and their places in the header are not looked at", "", jwk=keys[1], jku="http://evil.example/keys", x5u="http://x")
row("a time with a fraction", "", changed(exp=NOW + 0.5))
row("at the end of the leeway", "", changed(exp=NOW - 59))
row("after the leeway", "expired", changed(exp=NOW - 60))
row("a minute fast", "", changed(nbf=NOW + 60, iat=NOW + 60))
row("more than a minute fast", "notYetValid", changed(nbf=NOW + 61))
row("issued in the future", "notYetValid", changed(iat=NOW + 61))
row("without exp", "badClaim", changed(exp=None))
row("without aud", "wrongAudience", changed(aud=None))
row("for another audience", "wrongAudience", changed(aud="port78"))
row("for another audience of a list", "wrongAudience", changed(aud=["port78", "port777"]))
row("of another issuer", "unknownIssuer", changed(iss="https://id.example"))
row("without issuer", "unknownIssuer", changed(iss=None))
row("a subject that is no owner", "badClaim", changed(sub="a b"))
row("the subject local", "badClaim", changed(sub="local"))
row("without subject", "badClaim", changed(sub=None))
row("crit", "critical", crit=["exp"], exp=1)
row("typ of a logout token", "otherType", typ="logout+jwt")
row("a key of another name", "unknownKey", kid="rsa-2")
row("a key of another kind under that name", "unknownKey", kid="ec-1")
row("another key under that name", "wrongSignature", key=two)
row("a key that is too short", "unknownKey", key=small, kid="rsa-small")
row("a key that is for something else", "unknownKey", key=two, kid="rsa-enc")
row("PS256", "algorithmRefused", key=two, algorithm="PS256", kid="rsa-pss")
row("RS512", "algorithmRefused", algorithm="RS512")
row("ES384", "algorithmRefused", key=other_curve, algorithm="ES384", kid="ec-384")


def spelled(header, claims, signature):
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    return ".".join(b64(text.encode()) for text in texts) + "." + signature


def signed(header, claims):
    head = spelled(header, claims, "")
    return head + b64(one.sign(head[:-1].encode(), padding.PKCS1v15(), hashes.SHA256()))


def with_secret(header, secret):
    head = spelled(header, good, "")
    return head + b64(hmac.new(secret, head[:-1].encode(), hashlib.sha256).digest())


pem = one.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
head = {"alg": "RS256", "kid": "rsa-1"}
_, token, _ = rows[0]
start, signature = token.rsplit(".", 1)
for shows, text, fault in [
    ("an exp that is a text", signed(head, changed(exp=str(NOW + 300))), "badClaim"),
    ("an exp beyond every clock", signed(head, '{"iss":"https://id.example/","aud":"port77","sub":"p","exp":1e300}'), ""),
    ("an exp before every clock", signed(head, '{"iss":"https://id.example/","aud":"port77","sub":"p","exp":-1e300}'), "expired"),
    ("none", spelled({"alg": "none"}, good, ""), "algorithmRefused"),
    ("none in other letters", spelled({"alg": "nOnE"}, good, b64(b"x")), "algorithmRefused"),
    ("the public key as a shared secret", with_secret({"alg": "HS256", "kid": "rsa-1"}, pem), "algorithmRefused"),
    ("rs256 in small letters", signed({"alg": "rs256", "kid": "rsa-1"}, good), "algorithmRefused"),
    ("without alg", signed({"kid": "rsa-1"}, good), "notAToken"),
    ("alg twice", signed('{"alg":"RS256","alg":"RS256","kid":"rsa-1"}', good), "notAToken"),
    ("sub twice", signed(head, '{"iss":"https://id.example/","aud":"port77","sub":"a","sub":"b","exp":1900000000}'), "notAToken"),
    ("b64 without crit", signed(dict(head, b64=False), good), "critical"),
    ("kid that is a number", signed(dict(head, kid=1), good), "notAToken"),
    ("nested 33 deep", signed(head, '{"a":' + "[" * 33 + "]" * 33 + "}"), "notAToken"),
    ("claims that are a list", signed(head, "[]"), "notAToken"),
    ("padding", start + "." + signature + "==", "notAToken"),
    ("bits beyond the last octet", start + "." + signature[:-1] + chr(ord(signature[-1]) + 1), "notAToken"),
    ("a blank", start + "." + signature[:4] + " " + signature[4:], "notAToken"),
    ("the other alphabet", start + "." + signature[:4] + "+/" + signature[6:], "notAToken"),
    ("an empty signature", start + ".", "notAToken"),
    ("two parts", start, "notAToken"),
    ("five parts", token + ".a.b", "notAToken"),
    ("a signature cut short", start + "." + b64(base64.urlsafe_b64decode(signature + "==")[:-3]), "wrongSignature"),
    ("other claims under this signature", rows[1][1].rsplit(".", 1)[0].split(".")[0] + "." + start.split(".")[1] + "." + signature,
     "wrongSignature"),
    ("an ECDSA signature of zeros", spelled({"alg": "ES256", "kid": "ec-1"}, good, b64(bytes(64))), "wrongSignature"),
    ("an Ed25519 signature of zeros", spelled({"alg": "EdDSA", "kid": "ed-1"}, good, b64(bytes(64))), "wrongSignature"),
    ("larger than 8 KiB", signed(head, changed(more="x" * 8192)), "tooLong"),
]:
    rows.append([shows, text, fault])


def rfc_row(name, key, protected, payload, signature, algorithm):
    key = {member: value for member, value in key.items() if member in ("kty", "crv", "n", "e", "x", "y")}
    return {"name": name, "keys": {"keys": [key]}, "algorithm": algorithm,
            "signed": b64(bytes(protected)) + "." + b64(bytes(payload)), "signature": b64(bytes(signature))}


document = {
    "keys": {"keys": keys}, "left_out": 5, "tokens": [dict(zip(("shows", "token", "fault"), row)) for row in rows],
    "rfc": [
        rfc_row("RFC 7515 A.2", rfc.A2_key, rfc.A2_protected, rfc.A2_payload, rfc.A2_signature, "RS256"),
        rfc_row("RFC 7515 A.3", rfc.A3_key, rfc.A3_protected, rfc.A3_payload, rfc.A3_signature, "ES256"),
        {"name": "RFC 8037 A.4", "algorithm": "EdDSA",
         "keys": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]},
         "signed": "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
         "signature": "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
    ],
}
with open(os.path.join(HERE, "vectors.json"), "w") as file:
    json.dump(document, file, indent=1)
os.makedirs(os.path.join(HERE, "token"), exist_ok=True)
for name, text in [("rs256", rows[0][1]), ("es256", rows[1][1]), ("crit", rows[-1][1][:200]), ("keys", json.dumps({"keys": keys}))]:
    with open(os.path.join(HERE, "token", name), "w") as file:
        file.write(text)
