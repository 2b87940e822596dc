/** Whose functions an installation serves. */
export interface Customers {
  /**
   * By the newest list that could be read. Throws `unavailable` while there has been none: then nobody is told
   * anything about who is on it.
   */
  isCustomer(account: CustomerAccount): boolean;
}

/** An account of a forge, as an event names it. */
export interface CustomerAccount {
  scm: 'git' | 'github' | 'gitlab';
  /** The forge's own; `undefined` where only the name is known. */
  id: string | undefined;
  /** The login, or the full path of a group. */
  path: string;
}

/** An installation without a list: everybody whose forge may send events. */
export const everybody: Customers = { isCustomer: () => true };
