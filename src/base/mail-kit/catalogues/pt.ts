// The texts of mails in Portuguese.
import type { MailTexts } from './catalogue.ts';

export const pt: MailTexts = {
  footer: (brand) => `${brand} enviou este e-mail automaticamente. Ninguém lê as respostas a ele.`,
  code: 'Ou digite este código onde ele for pedido:',
  linkTerms: (until) => `O link funciona uma vez, até ${until}. Um e-mail mais novo o invalida.`,
  codeTerms: (until) => `O código funciona uma vez, até ${until}.`,
  facts: {
    time: 'Hora',
    device: 'Dispositivo',
    network: 'Rede',
    organization: 'Organização',
    newAddress: 'Novo endereço',
    unknownDevice: 'desconhecido',
    deviceOn: (browser, system) => `${browser} em ${system}`,
  },
  verifyEmail: {
    subject: 'Confirme o seu endereço de e-mail',
    body: (brand) => `Uma conta em ${brand} foi criada com este endereço de e-mail. Confirme que ele é seu.`,
    link: 'Confirmar o endereço',
    unasked:
      'Se você não criou uma conta, ignore este e-mail. Sem a sua confirmação, o endereço continua sem confirmação.',
  },
  registration: {
    subject: 'Conclua o seu cadastro',
    body: (brand) =>
      `Alguém pediu uma conta em ${brand} com este endereço de e-mail. Ela existe depois que você confirmar que o endereço é seu.`,
    link: 'Confirmar o endereço',
    linkTerms: (until) => `O link funciona uma vez, até ${until}.`,
    unasked:
      'Se não foi você, ignore este e-mail e não dê o código a ninguém: sem a sua confirmação, nenhuma conta é criada.',
  },
  resetPassword: {
    subject: 'Defina uma nova senha',
    body: (brand) => `Alguém pediu uma nova senha para a sua conta em ${brand}.`,
    link: 'Definir uma nova senha',
    unasked: 'Se você não pediu isto, ignore este e-mail: a sua senha continua a mesma.',
  },
  accountExists: {
    subject: 'Você já tem uma conta',
    registered: (brand) => `Alguém tentou criar uma conta em ${brand} com este endereço de e-mail.`,
    invited: (brand) => `Alguém convidou este endereço de e-mail para ${brand}.`,
    emailChange: (brand) => `Alguém pediu para usar este endereço de e-mail em outra conta em ${brand}.`,
    body: 'Você já tem uma conta com este endereço, por isso nada foi alterado.',
    signIn: 'Entrar',
    forgotPassword: 'Definir uma nova senha',
    unasked: 'Se não foi você, não há nada a fazer: ninguém ficou sabendo que você tem uma conta.',
  },
  emailChangeConfirm: {
    subject: 'Confirme o seu novo endereço de e-mail',
    body: (brand) =>
      `Quem tem uma conta em ${brand} quer usar este endereço de e-mail a partir de agora. Se for você, abra o link e, se for pedido, entre com essa conta.`,
    link: 'Confirmar o novo endereço',
    unasked:
      'Se você não pediu isto, ignore este e-mail e não dê o código a ninguém: a conta mantém o endereço que tem.',
  },
  emailChangeNotice: {
    subject: 'O seu endereço de e-mail foi alterado',
    body: (brand) =>
      `O endereço de e-mail da sua conta em ${brand} foi alterado. Este e-mail vai para o endereço anterior.`,
    expected: 'Se foi você que o alterou, não há nada a fazer.',
    link: 'Recuperar o endereço anterior',
    unasked: (until) =>
      `Se não foi você, recupere o endereço. Isto também encerra todas as sessões e pede uma nova senha. O link funciona uma vez, até ${until}.`,
  },
  passwordChanged: {
    subject: 'A sua senha foi alterada',
    body: (brand) => `A senha da sua conta em ${brand} foi alterada.`,
    link: 'Definir uma nova senha',
    unasked: 'Se foi você que a alterou, não há nada a fazer. Se não foi, defina uma nova senha imediatamente.',
  },
  newDevice: {
    subject: 'Nova entrada na sua conta',
    body: (brand) =>
      `Alguém entrou na sua conta em ${brand} com um dispositivo ou uma rede que não tinha sido usada antes.`,
    link: 'Ver os seus dispositivos',
    unasked: 'Se foi você, não há nada a fazer. Se não foi, encerre essa sessão e depois altere a sua senha.',
  },
  accountClosed: {
    subject: 'A sua conta foi encerrada',
    body: (brand) =>
      `A sua conta em ${brand} foi encerrada. Os dados pessoais dela foram removidos, e todas as sessões terminaram.`,
    unasked: (brand) => `Se você não queria isto, avise quem administra ${brand}.`,
  },
  invitation: {
    subject: (organization) => `Convite para ${organization}`,
    someOrganization: 'uma organização',
    invites: (inviter, organization) => `${inviter} convida você para participar de ${organization}.`,
    invited: (organization) => `Você recebeu um convite para participar de ${organization}.`,
    link: 'Aceitar o convite',
    unasked: 'Se você não esperava isto, ignore o e-mail: nada acontece.',
  },
  organizationSuspended: {
    subject: (organization) => `Organização suspensa: ${organization}`,
    someOrganization: 'a sua organização',
    body: (brand) => `Quem administra ${brand} suspendeu uma organização da qual você é proprietário.`,
    effect: 'Ninguém pode trabalhar nela até que seja ativada novamente. Nada foi apagado.',
    unasked: (brand) => `Pergunte a quem administra ${brand} o que fazer agora.`,
  },
};
