// Link types of capture files (LINKTYPE_ values, draft-ietf-opsawg-pcaplinktype): which are read, and their names.

/** What a packet of a capture begins with. */
export type Framing = "ethernet" | "ip" | "ipv4" | "ipv6";

/** 12 and 14 are DLT_RAW of the BSDs, which some programs write in place of 101. */
const FRAMINGS: ReadonlyMap<number, Framing> = new Map([
  [1, "ethernet"],
  [12, "ip"],
  [14, "ip"],
  [101, "ip"],
  [228, "ipv4"],
  [229, "ipv6"],
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

/** Says why packets of a link type are not read. */
export function describeUnreadable(linkType: number): string {
  const supported = [...FRAMINGS.keys()].map((type) => `${type} (${NAMES[type] ?? "RAW"})`).join(", ");
  const name = NAMES[linkType] ?? "a type without a name here";
  return `packets of link type ${linkType} (${name}) are not read; those read are ${supported}`;
}
