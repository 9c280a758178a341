// Link types of capture files (LINKTYPE_ values, draft-ietf-opsawg-pcaplinktype): which are read, and their names.

/** What a packet of a capture begins with. `cooked` and `cooked2` are Linux' (any interface), `family` a protocol family. */
export type Framing = "ethernet" | "ip" | "ipv4" | "ipv6" | "cooked" | "cooked2" | "family";

/** 12 and 14 are DLT_RAW of the BSDs, which some programs write in place of 101. */
const FRAMINGS: ReadonlyMap<number, Framing> = new Map([
  [0, "family"],
  [1, "ethernet"],
  [12, "ip"],
  [14, "ip"],
  [101, "ip"],
  [108, "family"],
  [113, "cooked"],
  [228, "ipv4"],
  [229, "ipv6"],
  [276, "cooked2"],
]);

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
/** AF_INET of every system; AF_INET6 of Linux, the BSDs, and macOS. */
const FAMILIES: ReadonlyMap<number, number> = new Map([
  [2, ETHERTYPE.ipv4],
  [10, ETHERTYPE.ipv6],
  [24, ETHERTYPE.ipv6],
  [28, ETHERTYPE.ipv6],
  [30, ETHERTYPE.ipv6],
]);

const NAMES: Readonly<Record<number, string>> = {
  0: "NULL",
  1: "ETHERNET",
  3: "AX25",
  6: "IEEE802_5",
  7: "ARCNET_BSD",
  8: "SLIP",
  9: "PPP",
  10: "FDDI",
  50: "PPP_HDLC",
  51: "PPP_ETHER",
  100: "ATM_RFC1483",
  101: "RAW",
  104: "C_HDLC",
  105: "IEEE802_11",
  107: "FRELAY",
  108: "LOOP",
  109: "ENC",
  113: "LINUX_SLL",
  114: "LTALK",
  117: "PFLOG",
  119: "IEEE802_11_PRISM",
  122: "IP_OVER_FC",
  127: "IEEE802_11_RADIOTAP",
  129: "ARCNET_LINUX",
  138: "APPLE_IP_OVER_IEEE1394",
  143: "DOCSIS",
  163: "IEEE802_11_AVS",
  166: "PPP_PPPD",
  187: "BLUETOOTH_HCI_H4",
  189: "USB_LINUX",
  192: "PPI",
  195: "IEEE802_15_4_WITHFCS",
  201: "BLUETOOTH_HCI_H4_WITH_PHDR",
  204: "PPP_WITH_DIR",
  220: "USB_LINUX_MMAPPED",
  227: "CAN_SOCKETCAN",
  228: "IPV4",
  229: "IPV6",
  239: "NFLOG",
  240: "NETANALYZER",
  249: "USBPCAP",
  251: "BLUETOOTH_LE_LL",
  252: "WIRESHARK_UPPER_PDU",
  253: "NETLINK",
  254: "BLUETOOTH_LINUX_MONITOR",
  274: "ETHERNET_MPACKET",
  276: "LINUX_SLL2",
};

/** How packets of a link type begin; undefined for one that is not read. */
export function framingOf(linkType: number): Framing | undefined {
  return FRAMINGS.get(linkType);
}

/** Bytes of the header in front of what an Ethernet frame has behind its type; Ethernet itself is run as it is. */
export const LINK_HEADER_BYTES: Readonly<Record<Framing, number>> = {
  ethernet: 0,
  ip: 0,
  ipv4: 0,
  ipv6: 0,
  cooked: 16,
  cooked2: 20,
  family: 4,
};

/**
 * The ethertype of what a packet carries, 0 where it has none. The packet begins at `start`, with its whole link header.
 *
 *   cooked   packet type 2 | ARPHRD 2 | address length 2 | address 8 | protocol 2
 *   cooked2  protocol 2 | zero 2 | interface 4 | ARPHRD 2 | packet type 1 | address length 1 | address 8
 *   family   4, in the byte order of the machine that captured (NULL), or big-endian (LOOP)
 */
export function ethertypeOf(
  framing: Exclude<Framing, "ethernet">,
  bytes: Buffer,
  start: number,
  length: number,
): number {
  switch (framing) {
    case "ipv4":
    case "ipv6":
      return ETHERTYPE[framing];
    case "ip": {
      const version = length === 0 ? 0 : bytes.readUInt8(start) >>> 4;
      return version === 4 ? ETHERTYPE.ipv4 : version === 6 ? ETHERTYPE.ipv6 : 0;
    }
    case "cooked":
      return bytes.readUInt16BE(start + 14);
    case "cooked2":
      return bytes.readUInt16BE(start);
    case "family":
      return FAMILIES.get(bytes.readUInt32BE(start)) ?? FAMILIES.get(bytes.readUInt32LE(start)) ?? 0;
    default:
      return framing satisfies never;
  }
}

/** Says why packets of a link type are not read. */
export function describeUnreadable(linkType: number): string {
  const supported = [...FRAMINGS.keys()].map((type) => `${type} (${NAMES[type] ?? "RAW"})`).join(", ");
  const name = NAMES[linkType] ?? "a type without a name here";
  return `packets of link type ${linkType} (${name}) are not read; those read are ${supported}`;
}
