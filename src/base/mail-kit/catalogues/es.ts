// The texts of mails in Spanish.
import type { MailTexts } from './catalogue.ts';

export const es: MailTexts = {
  footer: (brand) => `${brand} envió este correo automáticamente. Nadie lee las respuestas.`,
  code: 'O escriba este código donde se le pida:',
  linkTerms: (until) => `El enlace funciona una vez, hasta el ${until}. Un correo más reciente lo anula.`,
  codeTerms: (until) => `El código funciona una vez, hasta el ${until}.`,
  facts: {
    time: 'Hora',
    device: 'Dispositivo',
    network: 'Red',
    organization: 'Organización',
    newAddress: 'Nueva dirección',
    unknownDevice: 'desconocido',
    deviceOn: (browser, system) => `${browser} en ${system}`,
  },
  verifyEmail: {
    subject: 'Confirme su dirección de correo',
    body: (brand) => `Se creó una cuenta en ${brand} con esta dirección de correo. Confirme que es suya.`,
    link: 'Confirmar la dirección',
    unasked: 'Si usted no creó una cuenta, ignore este correo. Sin su confirmación, la dirección queda sin confirmar.',
  },
  registration: {
    subject: 'Complete su registro',
    body: (brand) =>
      `Alguien pidió una cuenta en ${brand} con esta dirección de correo. Existirá cuando usted confirme que la dirección es suya.`,
    link: 'Confirmar la dirección',
    linkTerms: (until) => `El enlace funciona una vez, hasta el ${until}.`,
    unasked:
      'Si no fue usted, ignore este correo y no dé el código a nadie: sin su confirmación, no se crea ninguna cuenta.',
  },
  resetPassword: {
    subject: 'Establezca una contraseña nueva',
    body: (brand) => `Alguien pidió una contraseña nueva para su cuenta en ${brand}.`,
    link: 'Establecer una contraseña nueva',
    unasked: 'Si usted no lo pidió, ignore este correo: su contraseña sigue siendo la misma.',
  },
  accountExists: {
    subject: 'Usted ya tiene una cuenta',
    registered: (brand) => `Alguien intentó crear una cuenta en ${brand} con esta dirección de correo.`,
    invited: (brand) => `Alguien invitó a esta dirección de correo a ${brand}.`,
    emailChange: (brand) => `Alguien pidió usar esta dirección de correo en otra cuenta en ${brand}.`,
    body: 'Usted ya tiene una cuenta con esta dirección, así que no se cambió nada.',
    signIn: 'Iniciar sesión',
    forgotPassword: 'Establecer una contraseña nueva',
    unasked: 'Si no fue usted, no hay nada que hacer: nadie supo que usted tiene una cuenta.',
  },
  emailChangeConfirm: {
    subject: 'Confirme su nueva dirección de correo',
    body: (brand) =>
      `El titular de una cuenta en ${brand} quiere usar esta dirección de correo a partir de ahora. Si es usted, abra el enlace y, si se le pide, entre con esa cuenta.`,
    link: 'Confirmar la nueva dirección',
    unasked: 'Si usted no lo pidió, ignore este correo y no dé el código a nadie: la cuenta conserva su dirección.',
  },
  emailChangeNotice: {
    subject: 'Su dirección de correo cambió',
    body: (brand) => `La dirección de correo de su cuenta en ${brand} cambió. Este correo va a la dirección anterior.`,
    expected: 'Si la cambió usted, no hay nada que hacer.',
    link: 'Recuperar la dirección anterior',
    unasked: (until) =>
      `Si no la cambió usted, recupere la dirección. Esto también cierra todas las sesiones y pide una contraseña nueva. El enlace funciona una vez, hasta el ${until}.`,
  },
  passwordChanged: {
    subject: 'Su contraseña cambió',
    body: (brand) => `La contraseña de su cuenta en ${brand} cambió.`,
    link: 'Establecer una contraseña nueva',
    unasked: 'Si la cambió usted, no hay nada que hacer. Si no, establezca una contraseña nueva de inmediato.',
  },
  newDevice: {
    subject: 'Nuevo inicio de sesión en su cuenta',
    body: (brand) =>
      `Alguien inició sesión en su cuenta en ${brand} con un dispositivo o una red que no se había usado antes.`,
    link: 'Ver sus dispositivos',
    unasked: 'Si fue usted, no hay nada que hacer. Si no, cierre esa sesión y después cambie su contraseña.',
  },
  accountClosed: {
    subject: 'Su cuenta se cerró',
    body: (brand) =>
      `Su cuenta en ${brand} se cerró. Sus datos personales se eliminaron y todas las sesiones terminaron.`,
    unasked: (brand) => `Si usted no quería esto, avise a quienes administran ${brand}.`,
  },
  invitation: {
    subject: (organization) => `Invitación a ${organization}`,
    someOrganization: 'una organización',
    invites: (inviter, organization) => `${inviter} le invita a unirse a ${organization}.`,
    invited: (organization) => `Usted tiene una invitación para unirse a ${organization}.`,
    link: 'Aceptar la invitación',
    unasked: 'Si usted no esperaba esto, ignore el correo: no pasa nada.',
  },
  organizationSuspended: {
    subject: (organization) => `Organización suspendida: ${organization}`,
    someOrganization: 'su organización',
    body: (brand) => `Quienes administran ${brand} suspendieron una organización de la que usted es propietario.`,
    effect: 'Nadie puede trabajar en ella hasta que se active de nuevo. No se borró nada.',
    unasked: (brand) => `Pregunte a quienes administran ${brand} qué hacer ahora.`,
  },
};
