"""Opens key wraps with the PyPI package pyhpke, which is not ours; prints how many opened and how many were refused."""
import json
import sys

from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)


def opened(wrap, info, aad):
    own = suite.kem.deserialize_private_key(bytes.fromhex(wrap["private"]))
    context = suite.create_recipient_context(bytes.fromhex(wrap["enc"]), own, info=info)
    return context.open(bytes.fromhex(wrap["ciphertext"]), aad=aad)


with open(sys.argv[1], encoding="utf-8") as file:
    wraps = json.load(file)
same = refused = 0
for wrap in wraps:
    info, aad = b"carecord-wrap-v1" + wrap["kid"].encode(), bytes.fromhex(wrap["aad"])
    same += opened(wrap, info, aad) == bytes.fromhex(wrap["key"])
    for other in ((info + b"x", aad), (info, aad + b"x")):
        try:
            opened(wrap, *other)
        except Exception:
            refused += 1
print(json.dumps({"same": same, "refused": refused}))
