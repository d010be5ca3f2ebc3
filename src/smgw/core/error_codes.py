"""The error catalogue as data: one row a code. `docs/errors.md` is generated from it.

A code is `area.reason`; it never changes its meaning. Every code that the program can raise stands here.
"""

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """Describe one code: what happened, and what the user can do."""

    title: str
    hint: str


_MESSAGE_HINT = "Capture the bytes and run `smgw decode` on them; the offset names the first byte that does not fit."
_SECURITY_HINT = "The system log of the refusing side names the peer; compare the certificates on both sides."

ERROR_CODES: dict[str, ErrorCode] = {
    # SML (see smgw.codec.sml)
    "sml.framing": ErrorCode("An SML transport frame is broken or was restarted", _MESSAGE_HINT),
    "sml.transport_crc": ErrorCode("The checksum of an SML file does not match", "Check the optical head's position and the cable."),
    "sml.message_crc": ErrorCode("The checksum of an SML message does not match", _MESSAGE_HINT),
    "sml.structure": ErrorCode("An SML message is not well formed", _MESSAGE_HINT),
    "sml.semantic": ErrorCode("An SML message is well formed but breaks a rule of its kind", _MESSAGE_HINT),
    "sml.encode": ErrorCode("A value can't be written as SML", "The detail names the element and what it can hold."),
    # identifiers and values
    "value.obis": ErrorCode("Not an OBIS code", "Write it as A-B:C.D.E*F, for example 1-0:1.8.0*255."),
    "value.device_id": ErrorCode("Not a device id after DIN 43849", "14 characters: medium, three letters, two hex digits, eight digits."),
    "value.time": ErrorCode("Not a time", "Write it as 2026-11-21T00:15:00Z."),
    "value.unit": ErrorCode("Two quantities have different units", "Only quantities of one unit can be compared or added."),
    "value.scale": ErrorCode(
        "A value can't be written with that scaler without losing digits",
        "Use a scaler at most as large as the value's own.",
    ),
    "value.status_word": ErrorCode("Not a status word", "16 hex digits: gateway word, meter word."),
    # delivery body (see smgw.codec.delivery_xml)
    "xml.structure": ErrorCode("An XML body does not follow its format", "The detail names the first element that does not fit."),
    "xml.size": ErrorCode("An XML body is larger than allowed", "Split the delivery into shorter periods."),
    "xml.value": ErrorCode("A delivery holds something that its format can't say", "The detail names the field; check the contract's ids."),
    # market participant (see smgw.storage.series, smgw.participant)
    "series.damaged": ErrorCode("A block of a meter-reading series is damaged", "Restore the participant's store from a backup."),
    "series.too_many": ErrorCode("A delivery holds more values of one register and day than allowed", "Lengthen the register period."),
    "delivery.sender": ErrorCode("The signer of a delivery is not the gateway that sent it", _SECURITY_HINT),
    "delivery.recipient": ErrorCode("A delivery is addressed to another market participant", "Check the partner id in the communication profile."),
    "delivery.unknown_gateway": ErrorCode(
        "The gateway of a delivery is not registered at the participant", "Register it with `smgw participant register`."
    ),
    "delivery.unknown_meter": ErrorCode(
        "The meter or contract of a delivery is not assigned to its gateway", "Register it with `smgw participant register`."
    ),
    "delivery.reading_signature": ErrorCode("A reading of a delivery has a wrong signature", _SECURITY_HINT),
    "delivery.replayed": ErrorCode("A message id was used before for another content", "Each message needs an id of its own."),
    "delivery.content": ErrorCode("A delivery contradicts itself or its contract", "The detail names the field."),
    "delivery.message_id": ErrorCode("The message id of the HTTP header is not that of the content", _SECURITY_HINT),
    "delivery.size": ErrorCode("A delivery is larger than allowed", "Deliver shorter periods."),
    "participant.store": ErrorCode("The participant's store can't be written", "Check free space and permissions; gateways repeat by themselves."),
    "participant.config": ErrorCode("The participant's configuration can't be used", "The detail names the file and the field."),
    "participant.not_initialised": ErrorCode("This folder holds no market participant", "Name the folder with --data."),
    "participant.version": ErrorCode("The participant's store was written by a newer version", "Use that version of the program, or a backup."),
    "participant.register": ErrorCode(
        "That can't be registered", "A gateway is a device id, a meter an id as the gateway shows it, a contract a name like taf7-1.sm."
    ),
    "participant.request": ErrorCode("A request to the operator interface can't be understood", "The detail names the parameter."),
    # content protection (see smgw.codec.cms, smgw.security.content)
    "cms.structure": ErrorCode("A CMS message is not the strict DER of its profile", "Run `smgw decode cms` on it; the offset names the first byte that does not fit."),
    "cms.algorithm": ErrorCode("A CMS message uses an algorithm outside the profile", "See docs/crypto-policy.md; `smgw decode cms` names the algorithms it uses."),
    "cms.signature": ErrorCode("The signature of a CMS message does not verify", _SECURITY_HINT),
    "cms.integrity": ErrorCode("A CMS message can't be opened: key, tag or padding do not fit", _SECURITY_HINT),
    "cms.recipient": ErrorCode("A CMS message is encrypted for somebody else", "`smgw decode cms` names the recipient's key identifier; compare it with the ENC certificate."),
    "cms.certificate": ErrorCode("A certificate lacks what content protection needs", "It takes a key on a curve of the crypto policy and a subject key identifier."),
    "cms.key_usage": ErrorCode("The certificate's key usage does not allow this", "Sign with the SIG certificate, encrypt for the ENC certificate."),
    "cms.size": ErrorCode("A CMS message is larger than allowed", "Split the delivery into shorter periods."),
    "cms.choice": ErrorCode("That cipher, digest, curve or profile is not in the tables of content protection", "See docs/crypto-policy.md for the names."),
    # security module (see smgw.security)
    "module.no_key": ErrorCode("The security module holds no key of that name", "List the keys with `smgw pki keys`."),
    "module.key_exists": ErrorCode(
        "The security module already holds a key of that name", "Destroy the old key first, or choose another name."
    ),
    "module.curve": ErrorCode(
        "The crypto policy does not allow that curve for this use", "See docs/crypto-policy.md for what is allowed and until when."
    ),
    "module.peer_key": ErrorCode("A public key is not a point of the expected curve", _SECURITY_HINT),
    "module.locked": ErrorCode(
        "The security module can't be opened with that secret", "Check the passphrase or secret file; the keys are unchanged."
    ),
    "module.damaged": ErrorCode(
        "The security module's key store is damaged", "Restore it from a backup; without it the identities are lost."
    ),
    # clocks and meter links (see smgw.net)
    "clock.spec": ErrorCode("That names no clock", "Write `system` or `paced:PATH` with the path of the pacemaker's socket (at most 100 characters)."),
    "clock.lost": ErrorCode("The simulated clock is gone", "The process that paces the simulation has ended; start the system again."),
    "link.url": ErrorCode("That names no link", "Write serial:///dev/ttyUSB0?baud=9600&parity=N, pty:///path, tcp://host:port or file:///path."),
    "link.lost": ErrorCode("A link can't be opened or was lost", "Check cable, device name and rights; the gateway tries again by itself."),
    "module.missing": ErrorCode("There is no key store at that place", "Create it first, for example with `smgw pki request`."),
    "module.exists": ErrorCode("There is a key store at that place already", "Open it, or choose another place; key stores are never overwritten."),
    "module.permissions": ErrorCode("Others may read a file that holds secrets", "Run `chmod 600` on it; then think about who may have read it."),
    "module.weak_secret": ErrorCode("The secret of the security module is too short", "Use at least 10 octets; a random file of 32 is best."),
    "module.digest": ErrorCode("That is not a digest the security module signs", "Give a SHA-256, SHA-384 or SHA-512 digest."),
    "module.tls": ErrorCode("A TLS context does not take that key with that certificate", "The first certificate of the chain must hold the public key of the named key pair."),
    "module.random": ErrorCode("That many random octets are not given at once", "Ask for at most 1 MiB."),
    # SM-PKI (see smgw.pki)
    "pki.malformed": ErrorCode("A certificate, request or revocation list is not well formed", "Run `smgw decode cert` on it."),
    "pki.name": ErrorCode("A name does not follow the naming rules of the SM-PKI", "O, C, SERIALNUMBER and CN as `<org>.EMT`, `<org>.GWA` or `<device id>.SMGW`; only test names are issued."),
    "pki.role": ErrorCode("The certificate belongs to another role than asked for", _SECURITY_HINT),
    "pki.usage": ErrorCode("The certificate is not meant for this use", "TLS, SIG and ENC certificates of a triple can't stand in for each other."),
    "pki.policy": ErrorCode("The certificate does not carry the policy of the SM-PKI", "Issue it anew with `smgw pki issue`."),
    "pki.extension": ErrorCode("The certificate lacks an extension of its profile, or has one that is forbidden", "`smgw pki show FILE` lists what it has."),
    "pki.critical_extension": ErrorCode("A critical extension is unknown", "`smgw pki show FILE` names it."),
    "pki.curve": ErrorCode("The curve of the key is not allowed for this use and year", "See docs/crypto-policy.md for what is allowed and until when."),
    "pki.hash": ErrorCode("The hash of the signature is not allowed for this use and year", "See docs/crypto-policy.md for what is allowed and until when."),
    "pki.expired": ErrorCode("The certificate has expired", "Renew it; check the clock of the checking side too."),
    "pki.not_yet_valid": ErrorCode("The certificate is not valid yet", "Check the clock of the checking side."),
    "pki.unknown_issuer": ErrorCode("No trusted issuer is known for the certificate", "Add the sub-CA to the trust folder, or check that both sides use the same test PKI."),
    "pki.not_ca": ErrorCode("The issuer of the certificate is not a certification authority", _SECURITY_HINT),
    "pki.path_length": ErrorCode("The certificate path is longer than its authorities allow", "An SM-PKI path is root, sub-CA, end entity."),
    "pki.signature": ErrorCode("A signature of the PKI does not verify", _SECURITY_HINT),
    "pki.revoked": ErrorCode("The certificate has been revoked", "Request a new triple."),
    "pki.suspended": ErrorCode("The certificate is suspended for the time being", "Ask the certification authority to release it."),
    "pki.crl_missing": ErrorCode("There is no revocation list of the certificate's issuer", "Fetch it from the authority's `/pki/v1/crl/` address into the trust folder."),
    "pki.crl_stale": ErrorCode("The revocation list of the issuer is out of date", "Fetch the present one from the authority's `/pki/v1/crl/` address."),
    "pki.crl_older": ErrorCode("The revocation list is not newer than the one held", "Nothing to do: the newer list stays in force."),
    "pki.not_pinned": ErrorCode("The peer showed another certificate than the one configured", "Compare the certificate with the communication profile."),
    "pki.possession": ErrorCode("A certificate request does not prove possession of its key", "Make the request package anew."),
    "pki.request": ErrorCode("A request package is not acceptable", "It holds three PKCS#10 requests of one subject: TLS, SIG, ENC, in this order."),
    "pki.triple": ErrorCode("Three certificates do not make a triple", "TLS, SIG and ENC certificate of one subject with three different keys."),
    "pki.validity": ErrorCode("That validity is longer than profile or issuer allow", "Leave it out to take the profile's."),
    "pki.authority": ErrorCode("There is no usable certification authority in that folder", "Create one with `smgw pki init`."),
    "pki.authority_exists": ErrorCode("There is a certification authority in that folder already", "Choose another folder; authorities are never overwritten."),
    "pki.unknown_serial": ErrorCode("This authority has not issued a certificate of that serial number", "`smgw pki list` shows what it has issued."),
    "pki.already_revoked": ErrorCode("The certificate has been revoked for good already", "Nothing to do."),
    "pki.not_suspended": ErrorCode("The certificate is not suspended", "Only a suspended certificate can be released."),
    "pki.file": ErrorCode("A file can't be read", "Check path and permissions."),
    "pki.reason": ErrorCode("That is no reason for a revocation", "Take key_compromise, affiliation_changed, superseded, cessation_of_operation, certificate_hold or unspecified."),
    "pki.trust_folder": ErrorCode("The trust folder can't be used", "It holds `anchors/`, `intermediates/` and `crls/` with PEM or DER files."),
    # TLS (see smgw.security.tls, smgw.net.smpki_tls)
    "tls.capability": ErrorCode("The TLS library of this machine can't do what the policy asks for", "OpenSSL 3.0 or later with brainpool curves is needed."),
    "tls.handshake": ErrorCode("The TLS handshake failed", "Versions, suites or curves did not fit, or the other side refused the certificate; its log says why."),
    "tls.no_certificate": ErrorCode("The peer showed no certificate", "Mutual authentication with SM-PKI certificates is needed here."),
    "tls.parameters": ErrorCode("TLS version or suite are not those of the policy", "See docs/crypto-policy.md."),
    "tls.too_many": ErrorCode("Too many connections at once", "Try again later, or raise the limit of the listener."),
    "net.unreachable": ErrorCode("The other side can't be reached", "Check address, port and network; it is tried again."),
    "net.timeout": ErrorCode("The other side did not answer in time", "Check address, port and network; it is tried again."),
    # states, commands and HTTP over authenticated channels
    "state.refused": ErrorCode("The gateway's operating state does not allow that", "The state and its reason stand on the device page and in the system log."),
    "command.structure": ErrorCode("A command or answer is not well formed", "Compare it with docs/wan-interface.md."),
    "command.size": ErrorCode("A command or answer is too large", "Send less at once."),
    "command.age": ErrorCode("A command was made too long ago or in the future", "Compare the clocks of both sides."),
    "command.replayed": ErrorCode("A command with that id was obeyed before", "Make a new command; repeated ones are answered from memory."),
    "command.recipient": ErrorCode("A command is meant for another gateway", "Check the gateway id that the command was made for."),
    "command.resource": ErrorCode("There is no such resource, or no right to it", "See docs/wan-interface.md for what can be asked."),
    "command.profile": ErrorCode("A profile does not fit its rules or the other profiles", "The detail names the field; correct the profile and send it with a higher version."),
    "http.malformed": ErrorCode("The other side does not speak HTTP/1.1 as it must", "Capture the exchange; proxies in between are not allowed."),
    "http.size": ErrorCode("An HTTP message is too large", "Send less at once."),
    "http.no_answer": ErrorCode("The other side gave no answer in time", "The message stays queued and is sent again."),
    "http.refused": ErrorCode("The other side refused the message", "Its log names the reason."),
    "delivery.receipt": ErrorCode("The receipt does not prove that the message was stored", "The message stays queued; compare both sides' certificates."),
    "gateway.config": ErrorCode("The gateway's configuration can't be used", "The detail names the key."),
    "gateway.not_initialised": ErrorCode("There is no gateway in that folder", "Make one with `smgw up`, or name another folder."),
    # consumer interface: log-in (see smgw.protocol.digest_auth)
    "login.header": ErrorCode("The log-in answer is not well formed", "Use HTTP digest with qop=auth and MD5 or SHA-256 (RFC 7616)."),
    "login.refused": ErrorCode("Name or password is wrong", "Check both; after five failures log-in is locked for one to five minutes."),
    "login.stale": ErrorCode("The log-in challenge has expired", "Answer the fresh challenge of the 401 reply; the password is right."),
    "login.replayed": ErrorCode("A log-in answer was used before", "Count nc up with each request, or answer the fresh challenge."),
    "login.locked": ErrorCode("Log-in is locked after too many failures", "Wait up to five minutes; a client certificate still works."),
    # consumer interface: M2M calls (see smgw.gateway.han.m2m)
    "m2m.body": ErrorCode("The request body is not the JSON object of an M2M call", 'Send one object with a "method", at most 64 KiB.'),
    "m2m.method": ErrorCode("Unknown M2M method", "Use smgw-info, user-info, usage-point-info, readings, log or self-test."),
    "m2m.parameter": ErrorCode("A parameter of an M2M call is missing or can't be used", "The detail names the parameter."),
    "m2m.usage_point": ErrorCode("No such usage point", "Take usage-point-id from user-info."),
    "m2m.database": ErrorCode("No such database", "Use origin, derived, calculated or daily."),
    "m2m.range": ErrorCode("The time range is empty or longer than 31 days", "Ask in windows of at most 31 days."),
    "m2m.self_test_locked": ErrorCode("A self-test was started less than ten minutes ago", "Wait until 600 s have passed."),
    # journal (see smgw.storage)
    "journal.key": ErrorCode(
        "The journal can't be opened with that key", "Use the security module that belongs to it; if it does, the file's first page is damaged."
    ),
    "journal.damaged": ErrorCode("A page of the journal is not what was written", "Stop the gateway and restore the file; check the disk."),
    "journal.locked": ErrorCode("Another process is writing to the journal", "Stop the other gateway of this folder, or open the journal to read."),
    "journal.full": ErrorCode("There is no room for the journal", "Free space on its disk; nothing was stored half, and writing goes on by itself."),
    "journal.io": ErrorCode("The journal's disk refuses", "Check disk, rights and limits of its folder; nothing was stored half."),
    "journal.missing": ErrorCode("There is no journal at that place", "Name the folder of a gateway that has been started at least once."),
    "journal.version": ErrorCode(
        "The journal has another version than the program", "Start the gateway once to bring it up to date, or use a newer program."
    ),
    "journal.read_only": ErrorCode("The journal was opened to read only", "Open it for writing."),
    "journal.duplicate": ErrorCode("The journal already holds a reading of that register and time", "Readings are never replaced."),
    "journal.log_entry": ErrorCode("A log entry does not fit the catalogue or its log", "See docs/log-events.md; only consumer logs name a consumer."),
    "journal.profile_kind": ErrorCode("There is no such kind of profile", "meter, communication, evaluation or consumer."),
    "journal.unknown_message": ErrorCode("The outbox never held a message of that id", "List the outbox with `smgw journal list outbox`."),
    "journal.chain": ErrorCode(
        "A hash chain of the journal is broken", "The detail names chain and row; keep the file as evidence and compare it with what partners received."
    ),
    "journal.export": ErrorCode("An exported journal is not well formed", "Export it again with `smgw journal export`."),
    "journal.schema": ErrorCode("The journal's tables or rules are not those of the program", "The detail names them; keep the file as evidence."),
    "profile.version": ErrorCode("A profile of that or a higher version is installed", "Send changes with a higher version."),
    # administrator
    "administrator.config": ErrorCode("The administrator's configuration can't be used", "The detail names the key."),
    "administrator.store": ErrorCode("The administrator's inventory takes no data for the moment", "Check the free space of the disk; nothing was changed."),
    # identities and secret files
    "secret.exists": ErrorCode("There is a secret file of that name already", "Remove it only if its keys are no longer needed."),
    "secret.missing": ErrorCode("The secret file can't be read", "Without it the security module stays closed; restore it from a backup."),
    "secret.readable": ErrorCode("The secret file is readable by others", "Run chmod 600 on it."),
    "identity.missing": ErrorCode("There are no certificates in that folder", "Request and install a certificate triple first."),
    # self-test
    "self_test.program": ErrorCode("The program's files are not those the gateway started with", "Install the program again and restart."),
    "self_test.keys": ErrorCode("A key does not belong to its certificate", "Request new certificates for the keys held."),
    "self_test.certificates": ErrorCode("A certificate of the gateway is not valid now", "Renew the triple."),
    "self_test.clock": ErrorCode("The gateway's time is not valid", "See in the system log why the time server was not reached."),
    # simulation
    "simulation.profile": ErrorCode("There is no such simulated household", "Take flat, household, heat-pump, solar or prosumer, at a time from 2025 on."),
    "simulation.dump": ErrorCode("That recording can't be replayed", "Give the path of a dump of 1 octet to 64 MiB."),
    "simulation.fault": ErrorCode("That names no fault of a meter line", "Write NAME=PROBABILITY, for example bitflip=0.01."),
    "simulation.interval": ErrorCode("Telegrams can't follow each other that fast", "Take an interval of at least 0.01 s."),
    # transparency files after AR 2418-6 (see smgw.codec.trudi_xml, smgw.transparency)
    "trudi.syntax": ErrorCode("The file is not well-formed XML", "The detail names the line; ask for the file again."),
    "trudi.document_type": ErrorCode("The file brings a document type of its own", "AR 2418-6 files have none; don't trust this one."),
    "trudi.size": ErrorCode("The file is larger than allowed", "Read out a shorter span; 64 MiB are allowed."),
    "trudi.structure": ErrorCode("The file does not follow its schema", "The detail names the first element that does not fit; order matters."),
    "trudi.element_refused": ErrorCode("The file holds an element that transparency software does not take", "The detail names it; supplier and device file may be swapped."),
    "trudi.value": ErrorCode("An element of the file has no value of its type", "The detail names the element."),
    "trudi.encode": ErrorCode("A device file can't say that", "The detail names the element and what it can hold."),
    "trudi.usage_points": ErrorCode("The file holds more than one usage point", "Read out one contract at a time."),
    "trudi.usage_point_id": ErrorCode("The file names no usage point", "usagePointId must not be empty."),
    "trudi.tariff_name": ErrorCode("The file names no tariff", "tariffName must not be empty."),
    "trudi.invoicing_party": ErrorCode("The file names no invoicing party", "InvoicingParty is needed."),
    "trudi.smgw": ErrorCode("The file names no gateway", "SMGW with smgwId is needed."),
    "trudi.kind": ErrorCode("The file names no kind of service, or one that is unknown", "ServiceCategory/kind: 0 electricity, 1 gas, 2 water, 4 pressure, 5 heat, 6 cold."),
    "trudi.customer": ErrorCode("The read-out names no customer", "Customer is needed."),
    "trudi.certificate_missing": ErrorCode("The read-out holds no certificate of the gateway", "At least one is needed."),
    "trudi.certificate_ids": ErrorCode("Certificates and the gateway's certificate ids do not fit together", "Each SMGW/certId needs one Certificate and the other way round."),
    "trudi.certificate_type": ErrorCode("A certificate has an unknown type", "1 signature, 2 sub-CA, 3 consumer interface."),
    "trudi.certificate_content": ErrorCode("A certificate of the file can't be read", "certContent is an X.509 certificate, hex digits of DER or PEM."),
    "trudi.meter_reading": ErrorCode("A list lacks its meter, id or reading type", "The detail names the list."),
    "trudi.reading_type": ErrorCode("A list does not say what its values mean", "obisCode, qualifiedLogicalName, powerOfTenMultiplier and uom are needed."),
    "trudi.interval_block": ErrorCode("A block of a list lacks its interval or its readings", "The detail names the list."),
    "trudi.reading": ErrorCode("A reading lacks its value or time", "The detail names list and reading."),
    "trudi.status": ErrorCode("A reading has no status, or none that can be understood", "statusPTB 0 to 4, or a statusFNN with both identification patterns, bit 0 left-most."),
    "trudi.log_event": ErrorCode("A log entry has an unknown level or outcome", "Level 1 to 5, outcome 0 to 2."),
    "trudi.block_gap": ErrorCode("Between two blocks of a list there is a gap", "Blocks must follow each other; missing readings inside a block do no harm."),
    "trudi.block_overlap": ErrorCode("Two blocks of a list overlap", "Blocks must follow each other."),
    "trudi.analysis_profile": ErrorCode("The supplier file holds no tariff", "AnalysisProfile is needed; supplier and device file may be swapped."),
    "trudi.tariff_stage": ErrorCode("The supplier file holds no tariff stage", "At least one TariffStage is needed."),
    "trudi.obis": ErrorCode("An OBIS code of the file is not twelve hex digits", "Write it as 0100010801ff."),
    "trudi.tariff_change_trigger": ErrorCode("The supplier file holds no switching calendar", "TariffChangeTrigger with TimeTrigger is needed."),
    "trudi.day_profile": ErrorCode("The supplier file holds no day profile, or an empty one", "TimeTrigger needs DayProfile with DayTimeProfile."),
    "trudi.special_day": ErrorCode("The supplier file gives no calendar day a day profile", "One SpecialDayProfile per day of the billing period is needed."),
    "trudi.day_id": ErrorCode("A day id is not a number, is used twice, or names no day profile", "The detail names it."),
    "trudi.special_day_date": ErrorCode("A special day is not a full calendar date", "year, month and day_of_month are needed."),
    "trudi.billing_period": ErrorCode("The supplier file names no billing period", "billingPeriod needs start and duration."),
    "trudi.billing_period_short": ErrorCode("The billing period is shorter than a day", "It spans at least one full day."),
    "trudi.use_case": ErrorCode("The supplier file asks for a tariff use case that can't be checked", "1, 2, 6 or 7 are known."),
    "trudi.day_raster": ErrorCode("A day profile does not list every quarter hour", "96 entries, 900 s apart, from 00:00 on."),
    "trudi.tariff_number": ErrorCode("A day profile uses a tariff stage that does not exist", "Each tariffNumber needs a TariffStage."),
    "trudi.stage_count": ErrorCode("More than 20 tariff stages", "Error registers do not count."),
    "trudi.no_special_day": ErrorCode("No calendar day of the supplier file lies in its billing period", "Compare years and months of both."),
    "trudi.calendar_incomplete": ErrorCode("A day of the billing period has no day profile", "The calendar must be rolled out fully; the detail names the day."),
    "trudi.calendar_ambiguous": ErrorCode("A day of the billing period has two different day profiles for one direction", "The detail names the day."),
    "trudi.other_usage_point": ErrorCode("Read-out and supplier file belong to different usage points", "Compare usagePointId."),
    "trudi.other_invoicing_party": ErrorCode("Read-out and supplier file name different invoicing parties", "Compare invoicingPartyId."),
    "trudi.other_kind": ErrorCode("Read-out and supplier file are about different kinds of service", "Compare ServiceCategory/kind."),
    "trudi.other_smgw": ErrorCode("Read-out and supplier file belong to different gateways", "Compare smgwId."),
    "trudi.other_tariff_name": ErrorCode("Read-out and supplier file name different tariffs", "Compare tariffName."),
    "trudi.no_calculator": ErrorCode("There is nothing to compute for that tariff use case", "TAF 6 and 7 only list readings; a bill is checked with a TAF 1 or TAF 2 supplier file."),
    "trudi.no_original_list": ErrorCode("The read-out holds no original list of readings", "The middle part of qualifiedLogicalName must be the meter's id."),
    "trudi.no_reading": ErrorCode("A list holds fewer than two readings inside the billing period", "Read out the billing period; the detail names the list."),
    "trudi.no_valid_reading": ErrorCode("No list holds a valid reading inside the billing period", "Status 3 and 4 can't be billed."),
    "trudi.units": ErrorCode("Two lists of one direction have different units or scalers", "They can't be added; the detail names the lists."),
    "trudi.taf1_lists": ErrorCode("More than three lists for TAF 1", "TAF 1 prices at most three registers."),
    "trudi.taf1_derived": ErrorCode("The read-out holds derived registers beside the original lists", "TAF 1 takes original lists only."),
    "trudi.taf1_stages": ErrorCode("More tariff stages than lists for TAF 1", "TAF 1 has one stage a list."),
    "trudi.taf1_period": ErrorCode("The billing period does not fit TAF 1", "It starts on the first of a month and spans 1, 2, 3, 6 or 12 months, local time."),
    "trudi.taf1_day_profile": ErrorCode("TAF 1 needs exactly one day profile for each list", "The detail names list and number."),
    "trudi.taf1_calendar": ErrorCode("The number of calendar days does not fit the billing period of TAF 1", "One SpecialDayProfile per day is needed."),
    "trudi.taf1_boundary_missing": ErrorCode("There is no reading at the start or end of the billing period", "The detail names list and time."),
    "trudi.taf1_boundary_status": ErrorCode("The reading at the start or end of the billing period is not valid", "Status 3 and 4 can't be billed; the detail names list and time."),
    "verify.file": ErrorCode("A file can't be read or written", "Check path and permissions."),
    # tariff use cases (see smgw.tariff)
    "tariff.stage_count": ErrorCode("A tariff has no stage or more than 20", "The error register 63 does not count and can't be a stage."),
    "tariff.stage_unknown": ErrorCode("The calendar uses a tariff stage that does not exist", "The detail names it."),
    "tariff.day_profile": ErrorCode("A day profile does not fit", "It has 96 quarter hours and a name that the calendar uses."),
    "tariff.calendar_gap": ErrorCode("A day of the period has no day profile", "The detail names the day."),
    "tariff.period": ErrorCode("The period does not fit the tariff use case", "TAF 1 takes whole months; TAF 2 at most 1100 days, on the quarter hour; the detail names it."),
    "tariff.billing_period": ErrorCode("A billing period is not 1, 2, 3, 6 or 12 calendar months", "It starts and ends at local midnight of a first day of a month."),
    "tariff.registers": ErrorCode("The tariff use case does not take that many registers", "TAF 1 takes one to three."),
    "tariff.raster": ErrorCode("A register period does not divide a day", "Take 60, 900, 1800, 3600 or 86400 seconds, for example."),
    "tariff.unit_changed": ErrorCode("The readings of one register changed unit or scaler", "A new meter starts a new register."),
    # smgw up
    "up.state": ErrorCode("The folder's system file can't be read", "Start in a new folder with --data, or restore system.json."),
    "up.gateway_id": ErrorCode("The folder holds a system with another gateway", "Leave --gateway-id out, or use another folder."),
    "up.meters": ErrorCode("The meters can't be used together", "Each meter can be named once."),
    "up.start": ErrorCode("A part of the system did not start", "Its log file names the reason."),
    "up.ended": ErrorCode("A part of the system ended", "Its log file names the reason."),
    "up.not_delivered": ErrorCode("No whole day was delivered in the given time", "Give more time with --timeout, or look at the logs for the gap."),
    "up.running": ErrorCode("A system is running in that folder", "Stop it first, or use another folder with --data."),
    "simulation.no_meter": ErrorCode("No usable meter was heard there", "Check with `smgw decode sml` what the octets hold."),
    # time synchronisation (see smgw.protocol.time_sync)
    "time.packet": ErrorCode("Not an NTP packet", "It has exactly 48 octets; extensions and authenticators are not used inside TLS."),
    "time.poll_too_soon": ErrorCode("The time was asked for less than a minute ago", "Wait until the minute is over."),
    "time.unexpected": ErrorCode("A time answer came without a question", "An answer is used once; ask again."),
    "time.originate": ErrorCode("A time answer belongs to another question", "The answer was discarded; the next poll asks again."),
    "time.mode": ErrorCode("An NTP packet has the wrong mode", "Clients send mode 3, servers mode 4."),
    "time.version": ErrorCode("An NTP packet has a version below 4", "Use a time server that speaks NTP version 4."),
    "time.leap": ErrorCode("The time server says that it has no reliable time", "Check the time server's own source of time."),
    "time.stratum": ErrorCode("The time server names no usable stratum", "Check the time server; 1 to 15 are usable."),
    "time.none": ErrorCode("A time answer holds no time", "Check the time server."),
    "time.round_trip": ErrorCode("A time answer took longer than 9 s, or less than nothing", "Check the connection to the time server."),
    "time.jump": ErrorCode("The time server is more than 1000 s away from a valid clock", "Compare the server with legal time; the gateway's clock was left as it is."),
}
