"""Cryptographic Message Syntax as the smart meter profile uses it: strict DER, five curves, two families of ciphers.

`signed`, `authenveloped` and `compressed` hold one layer each; `smgw.security.content` puts them together. `explain`
dissects a message without keys.
"""
