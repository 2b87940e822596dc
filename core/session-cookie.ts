/** On https the `__Host-` prefix makes browsers refuse a cookie that another host planted; plain http cannot have it. */
export function sessionCookieName(isSecure: boolean): string {
  return isSecure ? '__Host-towline_session' : 'towline_session';
}
