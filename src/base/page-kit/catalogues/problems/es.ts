// The problems that people meet on pages, in Spanish.
import type { PageProblems } from '../catalogue.ts';

export const problems: PageProblems = {
  invalid_credentials: {
    title: 'Correo o contraseña incorrectos',
    detail: 'El correo y la contraseña no corresponden. Compruebe los dos.',
  },
  reauthentication_required: {
    title: 'Demuestre otra vez quién es',
    detail: 'Escriba su contraseña actual para mostrar que es usted.',
  },
  wrong_password: { title: 'Contraseña incorrecta', detail: 'Esta no es su contraseña actual. Compruébela.' },
  password_not_set: {
    title: 'No tiene contraseña',
    detail: 'Cree una con un enlace por correo: siga el enlace para una contraseña olvidada.',
  },
  password_unchanged: { title: 'La misma contraseña', detail: 'Esta es su contraseña actual. Elija otra.' },
  email_unchanged: { title: 'El mismo correo', detail: 'Este ya es su correo. Escriba otro.' },
  email_disputed: {
    title: 'Correo no permitido',
    detail: 'El dueño de la cuenta deshizo un cambio a este correo. Escriba otro.',
  },
  password_changed: {
    title: 'La contraseña ha cambiado entretanto',
    detail: 'La contraseña cambió hace un momento, así que ahora no se hizo nada. Inténtelo con la nueva.',
  },
  account_disabled: {
    title: 'Cuenta desactivada',
    detail: 'Esta cuenta está desactivada. Hable con el operador de este servicio.',
  },
  validation_failed: { title: 'Revise el formulario', detail: 'Algunos campos necesitan su atención.' },
  email_taken: {
    title: 'Correo ya usado',
    detail:
      'Una cuenta tiene este correo o todavía puede recuperarlo. Entre con ella, abra el enlace del mensaje sobre el cambio o use otro correo.',
  },
  slug_taken: { title: 'Nombre ya usado', detail: 'Ya existe una organización con este nombre. Elija otro.' },
  registration_closed: {
    title: 'El registro está cerrado',
    detail: 'Aquí una cuenta nueva necesita una invitación. Pida una a su administrador.',
  },
  too_many_requests: { title: 'Demasiados intentos', detail: 'Espere un momento e inténtelo de nuevo.' },
  cross_site_request: {
    title: 'No viene de este sitio',
    detail: 'El formulario se envió desde otro sitio, y nada ha cambiado. Abra la página aquí e inténtelo de nuevo.',
  },
  form_expired: {
    title: 'El formulario ha caducado',
    detail: 'El formulario pertenece a otra sesión u otro navegador, y nada ha cambiado. Abra la página de nuevo.',
  },
  not_found: { title: 'Página no encontrada', detail: 'Esta página no existe. Compruebe la dirección.' },
  method_not_allowed: { title: 'No es posible aquí', detail: 'Esta dirección no acepta lo que se envió.' },
  permission_denied: { title: 'No permitido', detail: 'No tiene el permiso para esta página.' },
  organization_access_denied: {
    title: 'Sin acceso a la organización',
    detail: 'Usted no es un miembro activo de esta organización.',
  },
  organization_suspended: {
    title: 'Organización suspendida',
    detail:
      'Esta organización está suspendida. Hable con su propietario o, si usted es el propietario, con el operador de este servicio.',
  },
  last_owner: {
    title: 'Usted es el último propietario',
    detail: 'Antes haga propietario a otro miembro. Una organización necesita al menos uno.',
  },
  last_administrator: {
    title: 'Usted es el último administrador',
    detail: 'Nadie más administra este servicio. Pida antes al operador que nombre a otra persona.',
  },
  invalid_or_expired_token: {
    title: 'Enlace o código no válido',
    detail: 'Se usó, caducó o fue reemplazado por un correo más nuevo. Pida un correo nuevo.',
  },
  email_change_for_another: {
    title: 'Enlace de otra cuenta',
    detail: 'Salga, entre con la cuenta que pidió el cambio y abra el enlace otra vez. Todavía funciona.',
  },
  verification_for_another: {
    title: 'Enlace de otra cuenta',
    detail: 'Salga, o entre con la cuenta de ese correo. El enlace todavía funciona.',
  },
  invitation_invalid: {
    title: 'Invitación no válida',
    detail: 'Esta invitación ya no se puede usar. Pida una nueva.',
  },
  invitation_for_another: {
    title: 'Invitación para otro correo',
    detail: 'Entre con el correo al que se envió la invitación.',
  },
  already_member: { title: 'Ya es miembro', detail: 'Usted ya es miembro de esta organización.' },
  team_member_limit: {
    title: 'No queda sitio',
    detail: 'La organización no puede tener más miembros por ahora. Hable con quien le invitó.',
  },
  session_revoked: { title: 'Sesión terminada', detail: 'Su sesión fue terminada. Entre de nuevo.' },
  service_busy: {
    title: 'El servicio está ocupado',
    detail: 'Mucha gente está usando el servicio ahora. Inténtelo de nuevo en un momento.',
  },
  database_unavailable: {
    title: 'El servicio no está disponible',
    detail: 'El servicio no puede acceder a sus datos ahora. Inténtelo de nuevo pronto.',
  },
  database_not_writable: {
    title: 'Sin cambios por el momento',
    detail: 'El servicio puede mostrar datos, pero no puede guardar cambios. Inténtelo de nuevo pronto.',
  },
  other: { title: 'No ha funcionado', detail: 'El servicio no aceptó la petición. Vuelva e inténtelo de nuevo.' },
  failure: {
    title: 'El servicio ha fallado',
    detail: 'Inténtelo de nuevo en un momento. Si falla otra vez, comunique el número de la petición.',
  },
};
